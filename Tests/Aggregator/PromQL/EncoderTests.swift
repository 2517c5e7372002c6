import Glibc
import PromQL
import RuntimeSupport
import Telemetry
import Testing

@Suite struct EncoderTests {
    private func text(_ value: QueryValue, _ annotations: Annotations = Annotations(), limit: Int? = nil) -> String {
        String(
            decoding: ResultEncoder.bytes(QueryResult(value: value, annotations: annotations), seriesMax: limit),
            as: UTF8.self)
    }
    private func labels(_ labels: [(String, String)]) -> LabelSet {
        LabelSet(SeriesKey(labels: labels.map { Label($0.0, $0.1) }))
    }

    @Test("answers are Prometheus' bytes")
    func answers() {
        #expect(
            text(.scalar(1.5, time: 1_435_781_451_781))
                == "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1435781451.781,\"1.5\"]}}")
        #expect(
            text(.string("a\"b\u{1}\né", time: 1000))
                == "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1,\"a\\\"b\\u0001\\né\"]}}")
        let vector = InstantVector(
            labels: [labels([("__name__", "up"), ("job", "a")]), .empty], values: [1, .nan], time: -1500)
        #expect(
            text(.vector(vector))
                == "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\","
                + "\"job\":\"a\"},\"value\":[-1.500,\"1\"]},{\"metric\":{},\"value\":[-1.500,\"NaN\"]}]}}")
        let matrix = Matrix(series: [
            Matrix.Series(labels: labels([("a", "b")]), timestamps: [0, 1020], values: [0.1, .infinity]),
            Matrix.Series(labels: labels([("a", "c")]), timestamps: [5], values: [-2]),
        ])
        #expect(
            text(.matrix(matrix))
                == "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"a\":\"b\"},\"values\":"
                + "[[0,\"0.1\"],[1.020,\"+Inf\"]]},{\"metric\":{\"a\":\"c\"},\"values\":[[0.005,\"-2\"]]}]}}")
        #expect(
            text(.matrix(matrix), limit: 1)
                == "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"a\":\"b\"},\"values\":"
                + "[[0,\"0.1\"],[1.020,\"+Inf\"]]}]},\"warnings\":[\"results truncated due to limit\"]}")
        var annotations = Annotations()
        annotations.warn("PromQL warning: w (1:1)")
        annotations.inform("PromQL info: i (1:2)")
        #expect(
            text(.vector(InstantVector(labels: [], values: [], time: 0)), annotations)
                == "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]},\"warnings\":"
                + "[\"PromQL warning: w (1:1)\"],\"infos\":[\"PromQL info: i (1:2)\"]}")
        #expect(
            String(decoding: ResultEncoder.error("bad_data", "1:2: parse error: \"x\""), as: UTF8.self)
                == "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"1:2: parse error: \\\"x\\\"\"}")
    }

    @Test(
        "numbers are Go's",
        arguments: [
            (0, "0"), (-0.0, "-0"), (1, "1"), (-1.25, "-1.25"), (1e15, "1000000000000000"),
            (123_456_789_012_345_680, "123456789012345680"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
            (1.5e300, "1.5e+300"), (0.001, "0.001"), (0.0001, "0.0001"), (0.000001, "0.000001"), (1e-7, "1e-07"),
            (1.25e-10, "1.25e-10"), (0.1 + 0.2, "0.30000000000000004"), (.leastNonzeroMagnitude, "5e-324"),
            (9_007_199_254_740_992, "9007199254740992"), (1.0 / 3, "0.3333333333333333"),
        ] as [(Double, String)])
    func numbers(value: Double, expected: String) {
        let result = text(.scalar(value, time: 0))
        #expect(result.hasSuffix("[0,\"\(expected)\"]}}"), "\(result)")
    }

    @Test("numbers with few decimals read as the shortest text that reads back")
    func decimals() {
        var generator = SeededGenerator(seed: 11)
        var values: [Double] = [0.001, 0.999, 0.1, 99.999, 99_999_999_999.999, 1e11 - 0.001, 1e11 + 0.001, 0.0005]
        for _ in 0..<20_000 {
            let scale: Double = [10, 100, 1000, 10_000][Int.random(in: 0..<4, using: &generator)]
            let whole = Double(Int64.random(in: 1...1_000_000_000_000_000, using: &generator))
            values.append(whole / scale / pow(10, Double(Int.random(in: 0...9, using: &generator))))
            values.append((Double.random(in: 0.001...200, using: &generator) * scale).rounded() / scale)
        }
        for value in values where value.magnitude >= 1e-3 && value != value.rounded() {
            for signed in [value, -value] {
                let result = text(.scalar(signed, time: 0))
                #expect(result.hasSuffix("[0,\"\(signed.description)\"]}}"), "\(result)")
            }
        }
    }

    @Test("times read as seconds, whatever stood before them")
    func times() {
        var generator = SeededGenerator(seed: 12)
        var times: [Int64] = [-1, 0, 999, 9_999_999, 10_000_000, 19_999_000, 20_000_000, Int64.max / 2, 5]
        var time: Int64 = 1_699_999_000_000
        for _ in 0..<5_000 {
            time += [15_000, 60_000, 1, 10_000_000, 3_600_000][Int.random(in: 0..<5, using: &generator)]
            times.append(time)
            guard Int.random(in: 0..<50, using: &generator) == 0 else { continue }
            times.append(Int64.random(in: 0...1 << 50, using: &generator))
        }
        let series = Matrix.Series(
            labels: labels([]), timestamps: times, values: Array(repeating: 1, count: times.count))
        let expected = times.map { time in
            let (whole, fraction) = (time.magnitude / 1000, Int(time.magnitude % 1000))
            let places = fraction == 0 ? "" : "." + String("\(1000 + fraction)".dropFirst())
            return "[\(time < 0 ? "-" : "")\(whole)\(places),\"1\"]"
        }
        #expect(text(.matrix(Matrix(series: [series]))).contains(expected.joined(separator: ",")))
    }

    @Test("long answers come in pieces that make up the whole")
    func pieces() throws {
        let series = (0..<200).map { number in
            Matrix.Series(
                labels: labels([("n", "\(number)")]), timestamps: (0..<100).map { $0 * 1000 },
                values: (0..<100).map { Double($0) / 7 })
        }
        let result = QueryResult(value: .matrix(Matrix(series: series)), annotations: Annotations())
        var pieces: [[UInt8]] = []
        try ResultEncoder.encode(result) { pieces.append($0) }
        #expect(pieces.count > 5)
        #expect(pieces.allSatisfy { $0.count < 80_000 })
        #expect(Array(pieces.joined()) == ResultEncoder.bytes(result))
    }
}
