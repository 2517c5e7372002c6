package import Telemetry
import WireFormat

/// Which reports of findings were given to the buffer. It is kept there, in the transaction of the row that carries them,
/// so that of a finding that the node's file has and the buffer has not, because the node ended between the two, the
/// aggregator still hears.
///
/// Layout: varint count, then each: id (16 bytes), 1 for the closing report, else 0. 4.4 kB at most.
package struct ToldFindings {
    /// Twice what the file holds. Of one that was told longer ago the file's state is told again, which changes nothing.
    package static let reportsMax = 2 * FindingLog.findingsMax
    static let key = "told-findings"

    private struct Report: Hashable {
        let id: ID128
        let isClosed: Bool

        init(_ finding: Finding) { (id, isClosed) = (finding.id, finding.until != nil) }
        init(id: ID128, isClosed: Bool) { (self.id, self.isClosed) = (id, isClosed) }
    }
    /// The oldest first.
    private var reports: [Report] = []

    package init() {}

    /// What does not read is as if nothing had been told.
    package init(_ bytes: [UInt8]) {
        let read = try? ByteReader.reading(bytes) { (reader) throws(WireError) in
            var reports: [Report] = []
            for _ in 0..<(try reader.readCount("reports", max: Self.reportsMax)) {
                let id = try reader.readIdentifier("id")
                reports.append(Report(id: id, isClosed: try reader.readByte("state") != 0))
            }
            return reports
        }
        reports = read ?? []
    }

    package var bytes: [UInt8] {
        var writer = ByteWriter(reserving: 17 * reports.count + 2)
        writer.write(varint: UInt64(reports.count))
        for report in reports {
            writer.write(report.id)
            writer.write(report.isClosed ? 1 : 0 as UInt8)
        }
        return writer.bytes
    }

    package mutating func add(_ told: [Finding]) {
        let added = told.map(Report.init)
        reports.removeAll { added.contains($0) }
        reports += added
        if reports.count > Self.reportsMax { reports.removeFirst(reports.count - Self.reportsMax) }
    }

    /// Of findings as they stand now, those whose state was not told, in the order in which they changed last.
    package func untold(of findings: [Finding]) -> [Finding] {
        let known = Set(reports)
        return findings.filter { !known.contains(Report($0)) }
            .sorted { ($0.until ?? $0.since, $0.id) < ($1.until ?? $1.since, $1.id) }
    }
}
