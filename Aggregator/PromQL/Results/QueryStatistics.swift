/// What answering a query took, as Prometheus' `stats` tells it.
package struct QueryStatistics: Sendable, Hashable {
    /// Waiting for a thread.
    package var queueSeconds: Double
    /// Parsing, planning, reading and evaluating.
    package var evaluationSeconds: Double
    /// Read from the source, each once per selector; Prometheus counts a sample at every step that looks at it.
    package var samplesRead: Int

    package init(queueSeconds: Double, evaluationSeconds: Double, samplesRead: Int) {
        self.queueSeconds = queueSeconds
        self.evaluationSeconds = evaluationSeconds
        self.samplesRead = samplesRead
    }

    var timings: [(name: String, seconds: Double)] {
        [
            ("evalTotalTime", evaluationSeconds), ("execQueueTime", queueSeconds),
            ("execTotalTime", queueSeconds + evaluationSeconds),
        ]
    }
}
