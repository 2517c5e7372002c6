import ArgumentParser
import Foundation
import RuntimeSupport
import Store
import Telemetry

/// `stagebox store`: work on a tenant's directory, `<data directory>/tenants/<tenant>`.
struct StoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Check, compact, export, import and back up a tenant's directory.",
        subcommands: [CheckFiles.self, Compact.self, Export.self, Import.self, Backup.self])

    /// A directory of a tenant.
    struct Directory: ParsableArguments {
        @Argument(help: "A tenant's directory, such as /var/lib/stagebox-aggregator/tenants/acme.")
        var directory: String

        /// Opens it for this process alone; nothing in it ends by age meanwhile.
        func open(creating: Bool = false) throws -> TenantStore {
            guard creating || FileManager.default.fileExists(atPath: "\(directory)/ingest.sqlite") else {
                throw CommandFailure("\(directory) is no tenant's directory: it has no ingest.sqlite")
            }
            let name = directory.split(separator: "/").last.map(String.init) ?? "tenant"
            return try TenantStore(
                tenant: try TenantID(validating: name), directory: directory,
                configuration: StoreConfiguration(
                    metricsRetentionDays: RetentionPolicy.forever, eventsRetentionDays: RetentionPolicy.forever),
                time: SystemTimeSource(), metrics: OwnMetrics(), agentLabels: nil)
        }
    }

    struct CheckFiles: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check", abstract: "Read everything and tell what is damaged; an aggregator may be running.")
        @OptionGroup var place: Directory

        func run() throws {
            let check = try StoreCheck(directory: place.directory)
            for finding in check.findings { print("\(finding.file): \(finding.text)") }
            print(
                "\(check.files) files, \(check.series) series, \(check.blocks) blocks, \(check.groups) groups, "
                    + "\(check.samples) samples in chunks, \(check.rollups) rollups; "
                    + (check.findings.isEmpty ? "no damage" : "\(check.findings.count) findings"))
            guard check.findings.isEmpty else { throw ExitCode(1) }
        }
    }

    struct Compact: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Merge all that waits, roll it up, remove what was deleted, and give free space back.")
        @OptionGroup var place: Directory

        func run() throws {
            let store = try place.open()
            defer { store.close() }
            var samples = 0
            while case let step = try store.compactStep(isDraining: true), step.didWork { samples += step.samples }
            try store.cleanDeletions()
            try store.shrink(pagesMax: Int(Int32.max))
            for report in store.damageReports { print("\(report.file): \(report.finding); \(report.consequence)") }
            let sizes = store.sizes()
            print(
                "\(samples) samples merged; \(sizes.series) series, \(sizes.metricsBytes) B of chunks, "
                    + "\(sizes.rollupBytes) B of rollups, \(sizes.ingestBytes) B of level 0")
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write samples as JSON lines to standard output, a line for each series.")
        @OptionGroup var place: Directory
        @Option(help: "Only series with this metric name.")
        var name: String?
        @Option(help: "Only samples from this time on, Unix seconds.")
        var start: Int64?
        @Option(help: "Only samples up to this time, Unix seconds.")
        var end: Int64?

        func run() throws {
            let store = try place.open()
            defer { store.close() }
            let first = start.map { Timestamp(seconds: $0) } ?? .distantPast
            let last = end.map { Timestamp(seconds: $0) } ?? .distantFuture
            guard first <= last else { throw ValidationError("--start lies after --end") }
            let matchers = name.map { [LabelMatcher.equal(SeriesKey.nameLabel, $0)] } ?? []
            var cursor = try store.samples(matchers, in: first...last)
            while let series = try cursor.next() {
                try FileHandle.standardOutput.write(contentsOf: Data(StoreExport.line(series).utf8))
            }
        }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take in an export (JSON lines), or restore a backup into a directory without a store.")
        @OptionGroup var place: Directory
        @Argument(help: "A file of JSON lines, \"-\" for standard input, or the directory of a backup.")
        var source: String

        func run() throws {
            var isDirectory: ObjCBool = false
            if FileManager.default.fileExists(atPath: source, isDirectory: &isDirectory), isDirectory.boolValue {
                let files = try StoreBackup.restore(source, to: place.directory)
                print("restored \(files.count) files to \(place.directory)")
                return
            }
            let store = try place.open(creating: true)
            defer { store.close() }
            var lines = try JSONLines(source)
            var samples = 0
            while let line = try lines.next() {
                let write = try ImportedSeries(line, number: lines.number).write(to: store)
                try store.commit(pushed: try store.prepare(write))
                samples += write.sampleCount
                if lines.number % 1000 == 0 { _ = try store.compactStep() }
            }
            while try store.compactStep(isDraining: true).didWork {}
            try store.shrink(pagesMax: Int(Int32.max))
            print("imported \(samples) samples of \(lines.number) lines")
        }
    }

    struct Backup: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Copy the store, which may be in use, to a new directory; import restores it anywhere.")
        @OptionGroup var place: Directory
        @Argument(help: "A directory that does not exist yet.")
        var target: String

        func run() throws {
            let files = try StoreBackup.copy(place.directory, to: target)
            print("copied \(files.count) files to \(target)")
        }
    }
}

/// The lines of a file or of standard input.
private struct JSONLines {
    /// Of one line.
    static let bytesMax = 1 << 30
    private let handle: FileHandle
    private var buffer = Data()
    private var isAtEnd = false
    private(set) var number = 0

    init(_ path: String) throws {
        if path == "-" {
            handle = .standardInput
        } else {
            guard let opened = FileHandle(forReadingAtPath: path) else {
                throw CommandFailure("cannot read \(path)")
            }
            handle = opened
        }
    }

    mutating func next() throws -> Data? {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                let line = Data(buffer[..<end])
                buffer.removeSubrange(...end)
                number += 1
                if line.isEmpty { continue }
                return line
            }
            if isAtEnd {
                guard !buffer.isEmpty else { return nil }
                defer { buffer.removeAll() }
                number += 1
                return buffer
            }
            guard buffer.count <= Self.bytesMax else {
                throw CommandFailure("line \(number + 1) is longer than \(Self.bytesMax) bytes")
            }
            if let chunk = try handle.read(upToCount: 4 << 20), !chunk.isEmpty {
                buffer.append(chunk)
            } else {
                isAtEnd = true
            }
        }
    }
}

/// One line of an export.
private struct ImportedSeries {
    private let descriptor: SeriesDescriptor
    private let timestamps: [Int64]
    private let values: [Double]

    private struct Line: Decodable {
        var metric: [String: String]
        var type: String?
        var timestamps: [Int64]
        var values: [Value]
    }
    private struct Value: Decodable {
        let value: Double
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {  // else it is one of the texts
                value = number
                return
            }
            let text = try container.decode(String.self)
            guard let named = StoreExport.value(named: text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "no value: \(text.prefix(32))")
            }
            value = named
        }
    }

    init(_ data: Data, number: Int) throws {
        let line: Line
        do { line = try JSONDecoder().decode(Line.self, from: data) } catch {
            throw CommandFailure("line \(number) is no series of an export: \(error)")
        }
        guard line.timestamps.count == line.values.count else {
            throw CommandFailure(
                "line \(number) has \(line.timestamps.count) timestamps and \(line.values.count) values")
        }
        let type = MetricType.allCases.first { "\($0)" == line.type } ?? .unknown
        let key = SeriesKey(labels: line.metric.map { Label($0.key, $0.value) })
        guard !key.labels.isEmpty, TenantLimits().allow(key) else {
            throw CommandFailure("line \(number): a series has 1 to 64 labels of bounded length")
        }
        descriptor = SeriesDescriptor(key: key, type: type)
        timestamps = line.timestamps
        values = line.values.map(\.value)
    }

    func write(to store: TenantStore) -> SampleWrite {
        var write = SampleWrite()
        write.begin(store.pushed.add(descriptor))
        for (time, value) in zip(timestamps, values) { write.append(time, value) }
        return write
    }
}
