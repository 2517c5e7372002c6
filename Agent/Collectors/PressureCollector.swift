/// Pressure stall information of the machine, `/proc/pressure/*` (Documentation/accounting/psi.rst), as
/// `node_pressure_<cpu|io|memory>_<waiting|stalled>_seconds_total`. The cpu has no stalled time of its own.
public struct PressureCollector: Collector {
    public let name = "pressure"
    public let defaultIntervalMilliseconds: Int64 = 1000

    private struct Resource {
        let file: SourceFile
        let metrics: [String]
        var handles: [SeriesHandle] = []
    }
    private var resources: [Resource]

    public init(roots: CollectorRoots) {
        resources = [("cpu", ["waiting"]), ("io", ["waiting", "stalled"]), ("memory", ["waiting", "stalled"])].map {
            resource, kinds in
            Resource(
                file: SourceFile("\(roots.proc)/pressure/\(resource)"),
                metrics: kinds.map { "node_pressure_\(resource)_\($0)_seconds_total" })
        }
    }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        for index in resources.indices {
            let stall = PressureStall(try resources[index].file.read(into: sink.buffer))
            if resources[index].handles.isEmpty {
                resources[index].handles = resources[index].metrics.map { sink.counter($0) }
            }
            for (kind, handle) in resources[index].handles.enumerated() {
                guard let total = kind == 0 ? stall.someMicroseconds : stall.fullMicroseconds else {
                    sink.malformedLines &+= 1
                    continue
                }
                sink.append(handle, Double(total) / 1_000_000)
            }
        }
    }
}

/// The totals of one pressure file: `some avg10=0.00 avg60=0.34 avg300=0.81 total=65731730`, and `full …`.
struct PressureStall {
    private(set) var someMicroseconds: UInt64?
    private(set) var fullMicroseconds: UInt64?

    init(_ text: Bytes) {
        var cursor = ByteCursor(text)
        while let line = cursor.line() {
            var fields = ByteCursor(line)
            guard let kind = fields.word() else { continue }
            while let field = fields.word() {
                guard field.starts(with: "total=") else { continue }
                var digits = ByteCursor(field.dropping(6))
                let total = digits.unsigned()
                if kind.equals("some") {
                    someMicroseconds = total
                } else if kind.equals("full") {
                    fullMicroseconds = total
                }
            }
        }
    }
}
