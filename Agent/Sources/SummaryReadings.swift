import Telemetry

/// The series of a summary: the quantiles of ``SourceNames/quantiles``, `_sum` and `_count`, in that order.
enum SummaryReadings {
    static func keys(_ name: String, _ labels: [Label]) -> [SeriesKey] {
        let plain = labels.filter { $0.name != "quantile" }
        return SourceNames.quantiles.map {
            SeriesKey(name: name, labels: plain + [Label("quantile", $0.label)])
        } + [SeriesKey(name: name + "_sum", labels: plain), SeriesKey(name: name + "_count", labels: plain)]
    }

    /// - Parameter keys: of ``keys(_:_:)``.
    static func readings(
        _ keys: [SeriesKey], _ sketch: QuantileSketch, _ sum: Double, _ count: Double, _ startMilliseconds: Int64
    ) -> [SourceReading] {
        let quantiles = zip(keys, SourceNames.quantiles).map { key, quantile in
            SourceReading(key, .summary, sketch.value(at: quantile.value) ?? .nan)
        }
        return quantiles
            + zip(keys.suffix(2), [sum, count]).map {
                SourceReading($0, .summary, $1, startMilliseconds: startMilliseconds)
            }
    }
}
