package import Store
package import Telemetry

/// What nodes looked like around the start of what the fleet found of them: the feature that contributed most, a value a
/// minute, as the node is compared by it.
///
/// Cost: one pass over the catalogue's series for all findings of a minute, and the samples of the few series that are
/// shown. Bounds: ``findingsMax`` findings in one minute get a shape, ``seriesMax`` series make one.
package struct FleetShapes {
    package static let findingsMax = 64
    package static let seriesMax = 256
    /// Shown before a finding's start.
    package static let beforeMinutes: Int64 = 30
    static let minuteMilliseconds: Int64 = 60_000

    private struct Place: Hashable {
        let node: Int32
        let feature: Int32
    }
    private struct Member {
        let id: SeriesID
        let isCounter: Bool
        let isAveraged: Bool
    }
    private let store: TenantStore
    private var members: [Place: [Member]] = [:]

    /// - Parameter reports: those to be given shapes.
    package init(of reports: [FleetJudge.Report], _ catalog: FleetCatalog, _ store: TenantStore) {
        self.store = store
        for report in reports.prefix(Self.findingsMax) {
            if let place = Self.place(of: report, catalog) { members[place] = [] }
        }
        guard !members.isEmpty else { return }
        for (id, member) in catalog.members where member.node >= 0 && member.feature >= 0 {
            let place = Place(node: member.node, feature: member.feature)
            guard let known = members[place], known.count < Self.seriesMax else { continue }
            members[place]?.append(
                Member(id: SeriesID(id), isCounter: member.isCounter, isAveraged: member.isAveraged))
        }
    }

    private static func place(of report: FleetJudge.Report, _ catalog: FleetCatalog) -> Place? {
        guard let key = report.finding.contributors.first?.key, let node = catalog.number(of: report.agent),
            let feature = catalog.features.firstIndex(where: { $0.key == key })
        else { return nil }
        return Place(node: Int32(node), feature: Int32(feature))
    }

    /// - Parameter end: of the minute that was looked at last, milliseconds.
    /// - Returns: nil when nothing of it is known.
    /// - Throws: what reading the samples throws.
    package func shape(
        of report: FleetJudge.Report, ending end: Int64, _ catalog: FleetCatalog
    ) throws -> Finding.Shape? {
        guard let place = Self.place(of: report, catalog), let members = members[place], !members.isEmpty else {
            return nil
        }
        let since = report.finding.since.milliseconds
        let start = (since / Self.minuteMilliseconds - Self.beforeMinutes) * Self.minuteMilliseconds
        let count = min(Int64(Finding.shapeValuesMax), (end - start) / Self.minuteMilliseconds)
        guard count > 0 else { return nil }
        let range =
            Timestamp(
                milliseconds: start - FleetMinute.counterGapMax)...Timestamp(
                milliseconds: start + count * Self.minuteMilliseconds - 1)
        var reader = store.scope(in: range).reader()
        var sums = Array(repeating: (value: 0.0, parts: 0), count: Int(count))
        for series in store.index.places(of: members.map(\.id).sorted()) {
            guard let member = members.first(where: { $0.id == series.id }) else { continue }
            let run = try reader.judged(series)
            let minutes = Self.minutes(run.timestamps, run.values, start: start, count: Int(count), member.isCounter)
            for (minute, value) in minutes.enumerated() where value.isFinite {
                sums[minute].value += value
                sums[minute].parts += 1
            }
        }
        guard sums.contains(where: { $0.parts > 0 }) else { return nil }
        let isAveraged = members.contains(where: \.isAveraged)
        return Finding.Shape(
            start: Timestamp(milliseconds: start), stepMilliseconds: Self.minuteMilliseconds,
            values: sums.map { sum in
                sum.parts == 0 ? .nan : Float(isAveraged ? sum.value / Double(sum.parts) : sum.value)
            })
    }

    /// A gauge's mean of each minute, a counter's increase per second; NaN where there is none.
    private static func minutes(
        _ times: [Int64], _ values: [Double], start: Int64, count: Int, _ isCounter: Bool
    ) -> [Double] {
        var sums = Array(repeating: (value: 0.0, weight: 0.0), count: count)
        for index in times.indices where values[index].isFinite && times[index] >= start {
            let minute = Int((times[index] - start) / minuteMilliseconds)
            guard minute < count else { break }
            guard isCounter else {
                sums[minute].value += values[index]
                sums[minute].weight += 1
                continue
            }
            guard index > 0, values[index - 1].isFinite, times[index] - times[index - 1] <= FleetMinute.counterGapMax
            else { continue }
            // A counter that fell has begun anew.
            sums[minute].value +=
                values[index] >= values[index - 1] ? values[index] - values[index - 1] : values[index]
            sums[minute].weight += Double(times[index] - times[index - 1]) / 1000
        }
        return sums.map { $0.weight > 0 ? $0.value / $0.weight : .nan }
    }
}
