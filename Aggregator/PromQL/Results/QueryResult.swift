/// A query's answer.
package struct QueryResult: Sendable {
    package var value: QueryValue
    package var annotations: Annotations

    package init(value: QueryValue, annotations: Annotations) {
        self.value = value
        self.annotations = annotations
    }
}

package enum QueryValue: Sendable {
    /// Milliseconds.
    case scalar(Double, time: Int64)
    case string(String, time: Int64)
    case vector(InstantVector)
    case matrix(Matrix)

    package var type: ValueType {
        switch self {
        case .scalar: .scalar
        case .string: .string
        case .vector: .vector
        case .matrix: .matrix
        }
    }
}

/// Series with one sample each, all at one time.
package struct InstantVector: Sendable {
    package var labels: [LabelSet]
    package var values: [Double]
    /// Milliseconds.
    package var time: Int64

    package var count: Int { labels.count }

    package init(labels: [LabelSet], values: [Double], time: Int64) {
        self.labels = labels
        self.values = values
        self.time = time
    }
}

/// Series with samples over time, sorted by labels.
package struct Matrix: Sendable {
    /// One series' samples in columns.
    package struct Series: Sendable {
        package var labels: LabelSet
        /// Milliseconds.
        package var timestamps: [Int64]
        package var values: [Double]

        package init(labels: LabelSet, timestamps: [Int64], values: [Double]) {
            self.labels = labels
            self.timestamps = timestamps
            self.values = values
        }
    }
    package var series: [Series]

    package init(series: [Series]) { self.series = series }
}
