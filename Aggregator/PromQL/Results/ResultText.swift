/// The text of an answer, made while it is asked for, so that one of any size takes the memory of a piece.
///
/// Not thread-safe: one caller at a time.
package struct ResultText {
    /// Pieces are at most this long.
    package static let pieceBytes = JSONBytes.pieceBytes
    /// Samples of a series written between two looks at whether a piece is full.
    private static let samplesPerStep = 1024

    private enum Place {
        case head
        /// Before that sample of that series.
        case series(Int, sample: Int)
        case tail
        case end
    }
    /// What is finished and not yet taken.
    private final class Pieces {
        var waiting: [[UInt8]] = []
        var taken = 0
        func next() -> [UInt8]? {
            guard taken < waiting.count else { return nil }
            defer { taken += 1 }
            return waiting[taken]
        }
        func clear() {
            waiting.removeAll(keepingCapacity: true)
            taken = 0
        }
    }
    /// A class holds the text, since nothing else may copy it.
    private final class Text {
        var json: JSONBytes
        init(_ pieces: Pieces) { json = JSONBytes { pieces.waiting.append($0) } }
    }

    private let value: QueryValue
    private var annotations: Annotations
    private let statistics: QueryStatistics?
    /// Series shown.
    private let count: Int
    private let pieces = Pieces()
    private let text: Text
    private var place = Place.head

    /// - Parameters: as ``ResultEncoder/encode(_:seriesMax:statistics:write:)`` takes them.
    package init(_ result: QueryResult, seriesMax: Int? = nil, statistics: QueryStatistics? = nil) {
        value = result.value
        annotations = result.annotations
        self.statistics = statistics
        text = Text(pieces)
        let all =
            switch result.value {
            case .scalar, .string: 0
            case .vector(let vector): vector.count
            case .matrix(let matrix): matrix.series.count
            }
        if let seriesMax, seriesMax > 0, all > seriesMax {
            annotations.warn("results truncated due to limit")
            count = seriesMax
        } else {
            count = all
        }
    }

    /// - Returns: at most ``pieceBytes`` bytes; nil at the end.
    package mutating func next() -> [UInt8]? {
        if let piece = pieces.next() { return piece }
        pieces.clear()
        while pieces.waiting.isEmpty {
            if case .end = place { return nil }
            place = step(&text.json)
        }
        return pieces.next()
    }

    private func step(_ json: inout JSONBytes) -> Place {
        switch (place, value) {
        case (.head, _): return head(&json)
        case (.series(let index, _), .vector(let vector)): return vectorStep(vector, index, &json)
        case (.series(let index, let sample), .matrix(let matrix)): return matrixStep(matrix, index, sample, &json)
        case (.series, _), (.tail, _):
            tail(&json)
            return .end
        case (.end, _): return .end
        }
    }

    private func head(_ json: inout JSONBytes) -> Place {
        json.raw("{\"status\":\"success\",\"data\":{\"resultType\":")
        json.string(value.type.rawValue)
        json.raw(",\"result\":")
        switch value {
        case .scalar(let value, let time): json.sample(time, value)
        case .string(let text, let time):
            json.raw("[")
            json.seconds(time)
            json.raw(",")
            json.string(text)
            json.raw("]")
        case .vector, .matrix:
            json.raw("[")
            if count > 0 { return .series(0, sample: 0) }
            json.raw("]")
        }
        return .tail
    }

    private func vectorStep(_ vector: InstantVector, _ start: Int, _ json: inout JSONBytes) -> Place {
        for index in start..<count {
            if index > 0 { json.raw(",") }
            json.raw("{\"metric\":")
            json.labels(vector.labels[index])
            json.raw(",\"value\":")
            json.sample(vector.time, vector.values[index])
            json.raw("}")
            if !pieces.waiting.isEmpty, index + 1 < count { return .series(index + 1, sample: 0) }
        }
        json.raw("]")
        return .tail
    }

    private func matrixStep(_ matrix: Matrix, _ index: Int, _ first: Int, _ json: inout JSONBytes) -> Place {
        let series = matrix.series[index]
        if first == 0 {
            if index > 0 { json.raw(",") }
            json.raw("{\"metric\":")
            json.labels(series.labels)
            json.raw(",\"values\":[")
        }
        let end = min(series.values.count, first + Self.samplesPerStep)
        for position in first..<end {
            if position > 0 { json.byte(UInt8(ascii: ",")) }
            json.sample(series.timestamps[position], series.values[position])
        }
        if end < series.values.count { return .series(index, sample: end) }
        json.raw("]}")
        if index + 1 < count { return .series(index + 1, sample: 0) }
        json.raw("]")
        return .tail
    }

    private func tail(_ json: inout JSONBytes) {
        if let statistics { ResultEncoder.encode(statistics, &json) }
        json.raw("}")
        ResultEncoder.encode(annotations, &json)
        json.raw("}")
        // The pieces take everything.
        try? json.finish()
    }
}
