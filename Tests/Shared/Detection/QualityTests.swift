import Detection
import TestSupport
import Testing

/// What the detectors reach with their defaults, so that a change that costs quality is noticed before `make
/// bench-detect` is run. Some ten seconds: all series, and of the machines a few.
@Suite(
    "quality of detection", .serialized, .ownThread,
    .enabled(if: DataDirectories.data != nil, "STAGEBOX_DATA_DIR is unset"))
struct QualityTests {
    @Test("single series: 60 NAB points at the shipped threshold, and a mean precision of 0.35")
    func series() throws {
        let data = try #require(DataDirectories.data)
        var (sum, windows, precisions) = (0.0, 0, [Double]())
        for series in try LabelledData.nab(data) {
            var detector = MetricDetector()
            var (scores, alarms) = ([Float](), [Bool]())
            for (time, value) in zip(series.times, series.values) {
                let verdict = detector.observe(value, at: time)
                if detector.wantsTraining { detector.train() }
                scores.append(verdict.score)
                alarms.append(verdict.alarm)
            }
            let part = LabelledData.nabSum(alarms, series)
            (sum, windows) = (sum + part.sum, windows + part.windows)
            let counted = series.probation..<scores.count
            let labels = counted.map { row in series.windows.contains { $0.contains(row) } }
            if labels.contains(true) {
                precisions.append(LabelledData.averagePrecision(labels, Array(scores[counted])))
            }
        }
        let score = 100 * (sum + Double(windows)) / Double(2 * windows)
        #expect(score >= 60)
        #expect(precisions.reduce(0, +) / Double(precisions.count) >= 0.35)
    }

    @Test(
        "groups: a machine's smoothed precision",
        arguments: [
            ("asd", "omi-7", 0.38), ("asd", "omi-9", 0.72), ("asd", "omi-11", 0.5), ("smd", "machine-1-6", 0.75),
        ])
    func groups(collection: String, name: String, least: Double) throws {
        let machine = try LabelledData.machine(try #require(DataDirectories.data), collection, name)
        var detector = GroupDetector(columns: try #require(machine.train.first).count)
        var scores: [Float] = []
        for (row, values) in (machine.train + machine.test).enumerated() {
            let verdict = detector.observe(values.span, at: Int64(row) * 60_000)
            if detector.wantsTraining { detector.train() }
            if row >= machine.train.count { scores.append(verdict.score) }
        }
        let precision = LabelledData.averagePrecision(machine.labels, LabelledData.smoothed(scores))
        #expect(precision >= least)
    }
}
