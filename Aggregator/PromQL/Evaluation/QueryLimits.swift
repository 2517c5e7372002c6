/// The bounds of one query. At a bound the query fails with ``QueryError/Code/limit``.
package struct QueryLimits: Sendable, Hashable {
    /// Steps of a range query; Prometheus' bound too.
    package static let stepsMax = 11_000

    /// Samples held in memory at once, 8 B each, about. Default: as Prometheus.
    package var samplesMax: Int
    /// Series that one selector may select.
    package var seriesMax: Int

    package init(samplesMax: Int = 50_000_000, seriesMax: Int = 1_000_000) {
        self.samplesMax = samplesMax
        self.seriesMax = seriesMax
    }
}

/// How queries are answered.
package struct QueryOptions: Sendable {
    package var parser: ParserOptions
    package var limits: QueryLimits
    /// How far back an instant vector looks for a sample, milliseconds. Default 5 minutes.
    package var lookback: Int64
    /// The step of subqueries that give none, milliseconds. Default 1 minute.
    package var defaultSubqueryStep: Int64
    /// The longest stretch of time, milliseconds, that one sample read may stand for; 0: samples as they were stored.
    /// See ``SelectHints/sourceResolutionMax``. Default: any.
    package var sourceResolutionMax = Int64.max
    /// Asked between chunks of work; not nil ends the query with that error.
    package var interruption: @Sendable () -> QueryError?
    /// Runs chunk 0, 1, … of a number of independent chunks, on as many threads as it likes, and returns when all are
    /// done. Default: one after the other.
    package var runChunks: @Sendable (_ count: Int, _ chunk: @Sendable (Int) -> Void) -> Void
    /// How many chunks `runChunks` may run at once; memory grows with it.
    package var concurrency: Int

    package init(
        parser: ParserOptions = .stable, limits: QueryLimits = QueryLimits(), lookback: Int64 = 300_000,
        defaultSubqueryStep: Int64 = 60_000, interruption: @escaping @Sendable () -> QueryError? = { nil },
        concurrency: Int = 1,
        runChunks: @escaping @Sendable (Int, @Sendable (Int) -> Void) -> Void = { count, chunk in
            for index in 0..<count { chunk(index) }
        }
    ) {
        self.parser = parser
        self.limits = limits
        self.lookback = lookback
        self.defaultSubqueryStep = defaultSubqueryStep
        self.interruption = interruption
        self.concurrency = concurrency
        self.runChunks = runChunks
    }
}
