import PromQL
import Store

/// A query as it was asked for, ready to be evaluated.
struct QueryJob: Sendable {
    /// Milliseconds that the caller grants.
    let timeout: Int64?
    /// Series in the answer; 0: all.
    let limit: Int
    /// Milliseconds; nil: the usual.
    let lookback: Int64?
    /// Milliseconds; see ``Query/sourceResolution()``.
    let sourceResolution: Int64
    let wantsStatistics: Bool
    let language: ParserOptions
    let body: @Sendable (QueryEngine) throws -> QueryResult

    /// Evaluates and makes the answer's first pieces; blocks.
    /// - Throws: ``ParseError``, ``QueryError``, what the source throws.
    func evaluate(
        _ source: any SeriesSource, _ limits: TenantLimits, _ interruption: QueryInterruption
    ) throws -> AnswerText {
        let started = interruption.seconds
        var options = QueryOptions(
            parser: language, interruption: { interruption.error }, concurrency: ParallelChunks.concurrency,
            runChunks: { ParallelChunks.run($0, $1) })
        options.limits.samplesMax = limits.querySamples
        if let lookback, lookback > 0 { options.lookback = lookback }
        options.sourceResolutionMax = sourceResolution
        guard wantsStatistics else {
            return AnswerText(ResultText(try body(QueryEngine(source: source, options: options)), seriesMax: limit))
        }
        let counting = CountingSource(source)
        let result = try body(QueryEngine(source: counting, options: options))
        return AnswerText(
            ResultText(
                result, seriesMax: limit,
                statistics: QueryStatistics(
                    queueSeconds: started - interruption.beginSeconds,
                    evaluationSeconds: interruption.seconds - started, samplesRead: counting.samplesRead)))
    }
}
