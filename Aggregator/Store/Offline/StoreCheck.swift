import Compression
import SQLite
import Telemetry
import WireFormat

/// Reads everything in a tenant's directory and tells what is wrong. Changes nothing; an aggregator may be running.
package struct StoreCheck: Sendable {
    package struct Finding: Hashable, Sendable {
        package let file: String
        package let text: String
    }
    /// Of each file; beyond it only the count goes on.
    static let findingsMax = 20

    package private(set) var findings: [Finding] = []
    package private(set) var files = 0
    package private(set) var series = 0
    package private(set) var blocks = 0
    package private(set) var groups = 0
    package private(set) var samples = 0
    package private(set) var rollups = 0

    /// - Throws: ``StoreError`` when there is no store.
    package init(directory: String) throws {
        let names = StoreFiles.names(in: directory).filter { $0.hasSuffix(".sqlite") }
        guard names.contains("ingest.sqlite") || names.contains(where: { $0.hasPrefix("metrics-") }) else {
            throw StoreError(
                .file, "\(directory) is no tenant's directory: it has neither ingest.sqlite nor a day file")
        }
        for name in names {
            files += 1
            do { try check(name, in: directory) } catch let error as SQLiteError {
                findings.append(Finding(file: name, text: error.description))
            }
        }
    }

    private mutating func check(_ name: String, in directory: String) throws {
        let database = try Database(path: "\(directory)/\(name)", configuration: .readOnly())
        defer { database.close() }
        for finding in try database.quickCheck(max: Self.findingsMax) {
            findings.append(Finding(file: name, text: finding))
        }
        if name.hasPrefix("metrics-") {
            try checkGroups(name, database, isRollup: false)
        } else if name.hasPrefix("rollup-") {
            try checkGroups(name, database, isRollup: true)
        } else if name == "ingest.sqlite" {
            try checkBlocks(name, database)
        } else if name == "index.sqlite" {
            series = Int(try database.integer("SELECT count(*) FROM series") ?? 0)
        }
    }

    private mutating func checkGroups(_ name: String, _ database: Database, isRollup: Bool) throws {
        let decompressor = try ZstdDecompressor()
        let statement = try database.statement("SELECT id, body FROM chunk ORDER BY id")
        var found = 0
        while try statement.step() {
            groups += 1
            do {
                let group = try ChunkGroupReader(statement.blob(1), decompressor: decompressor)
                if isRollup {
                    for id in RollupGroup.series(in: group) {
                        rollups += try RollupGroup.decode(group, id)?.rollups.count ?? 0
                    }
                } else {
                    for position in group.series.indices { samples += try group.values(position).count }
                }
            } catch is WireError {
                found += 1
                guard found <= Self.findingsMax else { continue }
                findings.append(Finding(file: name, text: "chunk group \(statement.integer(0)) does not decode"))
            }
        }
        if found > Self.findingsMax {
            findings.append(Finding(file: name, text: "\(found - Self.findingsMax) further chunk groups do not decode"))
        }
    }

    private mutating func checkBlocks(_ name: String, _ database: Database) throws {
        // 1: metrics; see ``IngestFile``.
        let statement = try database.statement("SELECT id, kind, records, body FROM block WHERE state < 2 ORDER BY id")
        while try statement.step() {
            blocks += 1
            let body = statement.blob(3)
            do {
                try CodecPool.shared.use { codec in
                    let bytes = try codec.body.decompress(body)
                    guard statement.integer(1) == Int64(BatchKind.metrics.rawValue) else { return }
                    try codec.decoder.decode(bytes, repeatingConstants: false)
                }
            } catch {
                findings.append(Finding(file: name, text: "block \(statement.integer(0)): \(error)"))
            }
        }
    }
}
