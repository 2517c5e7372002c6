import Glibc
import Telemetry

/// What system this is, from `/proc/sys/kernel` and `os-release`: `node_uname_info`, `node_os_info`,
/// `node_os_version`.
public struct SystemCollector: Collector {
    public let name = "uname"
    public let defaultIntervalMilliseconds: Int64 = 300_000
    private let kernel: String
    private let release: [String]
    private let machine: String

    /// - Parameter machine: the hardware's name, uname(2) unless given.
    public init(roots: CollectorRoots, machine: String? = nil) {
        kernel = roots.proc + "/sys/kernel"
        release = [roots.etc + "/os-release"]
        self.machine = machine ?? Self.machineName()
    }

    public mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        let fields = [
            ("sysname", "ostype"), ("release", "osrelease"), ("version", "version"), ("nodename", "hostname"),
            ("domainname", "domainname"),
        ]
        var labels = [Label("machine", machine)]
        for (label, file) in fields {
            guard let text = sink.buffer.text(path: "\(kernel)/\(file)") else {
                throw .unavailable("\(kernel)/\(file)")
            }
            labels.append(Label(label, text))
        }
        sink.append(sink.register("node_uname_info", labels, .gauge, .unknown), 1.0)
        for path in release {
            guard let text = sink.buffer.fill(path: path) else { continue }
            collectRelease(Self.assignments(text), &sink)
        }
    }

    private func collectRelease(_ values: [String: String], _ sink: inout ScrapeSink) {
        let names = [
            "BUILD_ID", "ID", "ID_LIKE", "IMAGE_ID", "IMAGE_VERSION", "NAME", "PRETTY_NAME", "VARIANT", "VARIANT_ID",
            "VERSION", "VERSION_CODENAME", "VERSION_ID",
        ]
        let labels = names.map { Label($0.lowercased(), values[$0] ?? "") }
        sink.append(sink.register("node_os_info", labels, .gauge, .unknown), 1.0)
        // "12", "22.04", "9.3.1": what node_exporter takes is the leading major and minor.
        let parts = (values["VERSION_ID"] ?? "").split(separator: ".").prefix(2).joined(separator: ".")
        guard let version = Double(parts) else { return }
        sink.append(
            sink.gauge(
                "node_os_version", Label("id", values["ID"] ?? ""), Label("id_like", values["ID_LIKE"] ?? ""),
                Label("name", values["NAME"] ?? "")), version)
    }

    /// `NAME="value"` lines; quotes are dropped, backslash escapes kept (os-release(5) allows few).
    static func assignments(_ text: Bytes) -> [String: String] {
        var values: [String: String] = [:]
        var cursor = ByteCursor(text)
        while let line = cursor.line() {
            var fields = ByteCursor(line)
            guard let name = fields.upTo(UInt8(ascii: "=")), !name.starts(with: "#") else { continue }
            var value = fields.rest.trimmed
            for quote in [UInt8(ascii: "\""), UInt8(ascii: "'")]
            where value.count >= 2 && value.first == quote && value.last == quote {
                value = Bytes(rebasing: value[1..<value.count - 1])
            }
            values[name.text] = value.text
        }
        return values
    }

    private static func machineName() -> String {
        var names = utsname()
        guard uname(&names) == 0 else { return "" }
        return withUnsafeBytes(of: &names.machine) { field in
            Bytes(rebasing: field[..<(field.firstIndex(of: 0) ?? field.count)]).text
        }
    }
}
