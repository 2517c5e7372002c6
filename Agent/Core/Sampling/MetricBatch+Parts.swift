package import Telemetry
import WireFormat

extension MetricBatch {
    /// Splits by series so that no part holds more than `samplesMax` samples, unless one series alone does, nor more
    /// groups than a block may.
    package func parts(samplesMax: Int) -> [MetricBatch] {
        guard sampleCount > samplesMax || groups.count > MetricBlock.groupsMax else { return [self] }
        var parts: [MetricBatch] = []
        var open = MetricBatch()
        var room = samplesMax
        for group in groups {
            let height = max(1, group.timestamps.count)
            var first = 0
            while first < group.series.count {
                if room < height && !open.groups.isEmpty || open.groups.count == MetricBlock.groupsMax {
                    parts.append(open)
                    open = MetricBatch()
                    room = samplesMax
                }
                let count = min(group.series.count - first, max(1, room / height))
                open.groups.append(group.slice(first..<first + count))
                room -= count * height
                first += count
            }
        }
        if !open.groups.isEmpty { parts.append(open) }
        return parts
    }
}

extension MetricBatch.Group {
    /// The same instants for some of the series.
    fileprivate func slice(_ range: Range<Int>) -> MetricBatch.Group {
        let height = timestamps.count
        let span = range.lowerBound * height..<range.upperBound * height
        var sliced = MetricBatch.Group(
            timestamps: timestamps, series: Array(series[range]), values: Array(values[span]),
            startTimestamps: startTimestamps.isEmpty ? [] : Array(startTimestamps[range]))
        if !anomalies.isEmpty {
            sliced.anomalies = [UInt64](repeating: 0, count: (span.count + 63) / 64)
            for (target, source) in span.enumerated() where anomalies[source / 64] >> UInt64(source % 64) & 1 == 1 {
                sliced.anomalies[target / 64] |= 1 << UInt64(target % 64)
            }
        }
        return sliced
    }
}

extension MetricBatch {
    /// Only the series with numbers below `limit`, and how many samples the others had.
    package func keeping(seriesBelow limit: Int) -> (batch: MetricBatch, left: Int) {
        var kept = MetricBatch()
        for group in groups {
            // Numbers ascend.
            let count = group.series.firstIndex { Int($0) >= limit } ?? group.series.count
            if count > 0 { kept.groups.append(count == group.series.count ? group : group.slice(0..<count)) }
        }
        return (kept, sampleCount - kept.sampleCount)
    }
}
