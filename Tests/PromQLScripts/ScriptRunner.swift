package import PromQL
package import Telemetry

/// What a script runs against.
package protocol ScriptTarget {
    /// Forgets every sample.
    func clear() throws
    /// - Parameter series: each once; a value nil stands for a native histogram.
    func load(_ series: [(key: SeriesKey, points: [(time: Int64, value: Double?)])]) throws
    func instant(_ query: String, at time: Int64) throws -> QueryResult
    func range(_ query: String, start: Int64, end: Int64, step: Int64) throws -> QueryResult
}

/// Runs a script against an engine and tells what does not come out as expected.
package struct ScriptRunner {
    package struct Outcome {
        package var passed = 0
        /// Evaluations that met native histograms and were told so.
        package var nativeHistograms = 0
        /// Their lines.
        package var histogramLines = Set<Int>()
        /// Evaluations that need experimental parts of the language; they count as passed or failed as well.
        package var experimental = 0
        package var failures: [String] = []
    }

    private let target: any ScriptTarget
    private let skippedLines: Set<Int>

    /// - Parameter skippedLines: evaluations that are known to need native histograms.
    package init(_ target: any ScriptTarget, skippedLines: Set<Int> = []) {
        self.target = target
        self.skippedLines = skippedLines
    }

    /// - Throws: what loading or clearing throws.
    package func run(_ script: Script) throws -> Outcome {
        var outcome = Outcome()
        for command in script.commands {
            switch command {
            case .clear: try target.clear()
            case .load(let step, let series): try load(step, series)
            case .eval(let evaluation): check(evaluation, &outcome)
            }
        }
        return outcome
    }

    private func load(_ step: Int64, _ series: [ScriptSeries]) throws {
        // In one load the last line about a series counts.
        let counting = series.indices.filter { index in
            !series[(index + 1)...].contains { $0.key == series[index].key }
        }
        try target.load(
            counting.map { index in
                var points: [(time: Int64, value: Double?)] = []
                for (number, value) in series[index].values.enumerated() {
                    switch value {
                    case .none: break
                    case .number(let amount): points.append((Int64(number) * step, amount))
                    case .nativeHistogram: points.append((Int64(number) * step, nil))
                    }
                }
                return (series[index].key, points)
            })
    }

    private func check(_ evaluation: Script.Evaluation, _ outcome: inout Outcome) {
        let stable = try? Parser.parse(evaluation.query)
        let all = try? Parser.parse(evaluation.query, options: .all)
        let isExperimental = stable == nil && all != nil
        if isExperimental { outcome.experimental += 1 }
        if evaluation.series.contains(where: \.hasHistogram) || skippedLines.contains(evaluation.line) {
            note(evaluation, &outcome)
            return
        }
        do {
            let problem = try problem(evaluation)
            if let problem {
                outcome.failures.append("line \(evaluation.line): \(evaluation.query): \(problem)")
            } else {
                outcome.passed += 1
            }
        } catch let error as QueryError where error.code == .nativeHistogram {
            note(evaluation, &outcome)
        } catch {
            outcome.failures.append("line \(evaluation.line): \(evaluation.query): \(error)")
        }
    }

    private func note(_ evaluation: Script.Evaluation, _ outcome: inout Outcome) {
        outcome.nativeHistograms += 1
        outcome.histogramLines.insert(evaluation.line)
    }

    private func answer(_ evaluation: Script.Evaluation) throws -> QueryResult {
        evaluation.isInstant
            ? try target.instant(evaluation.query, at: evaluation.start)
            : try target.range(
                evaluation.query, start: evaluation.start, end: evaluation.end, step: evaluation.step)
    }

    /// - Returns: what is wrong, nil if nothing is.
    private func problem(_ evaluation: Script.Evaluation) throws -> String? {
        let result: QueryResult
        do {
            result = try answer(evaluation)
        } catch {
            if let error = error as? QueryError, error.code == .nativeHistogram { throw error }
            guard evaluation.expects(.fail) else { throw error }
            let unmet = evaluation.expectations.filter { $0.kind == .fail && !matches($0, "\(error)") }
            return unmet.isEmpty ? nil : "failed with other words: \(error)"
        }
        if evaluation.expects(.fail) { return "should fail" }
        if let problem = annotationProblem(evaluation, result.annotations) { return problem }
        if let problem = valueProblem(evaluation, result.value) { return problem }
        return evaluation.isInstant ? try rangeProblem(evaluation, result.value) : nil
    }

    private func matches(_ expectation: Script.Expectation, _ text: String) -> Bool {
        switch expectation.text {
        case .any: return true
        case .exact(let expected): return text == expected || "\"\(text)\"" == expected
        case .pattern(let pattern):
            guard let regex = try? Regex(pattern) else { return false }
            return text.firstMatch(of: regex) != nil
        }
    }

    private func annotationProblem(_ evaluation: Script.Evaluation, _ annotations: Annotations) -> String? {
        for (kind, none, texts) in [
            (Script.Expectation.Kind.warn, Script.Expectation.Kind.noWarn, annotations.warnings),
            (.info, .noInfo, annotations.infos),
        ] {
            if evaluation.expects(none), !texts.isEmpty { return "\(none.rawValue) but \(texts)" }
            let wanted = evaluation.expectations.filter { $0.kind == kind }
            guard !wanted.isEmpty else { continue }
            if texts.isEmpty { return "\(kind.rawValue) expected" }
            for expectation in wanted where !texts.contains(where: { matches(expectation, $0) }) {
                return "\(expectation.text) not among \(texts)"
            }
            for text in texts where !wanted.contains(where: { matches($0, text) }) { return "unexpected \(text)" }
        }
        return nil
    }

    private func valueProblem(_ evaluation: Script.Evaluation, _ value: QueryValue) -> String? {
        switch value {
        case .string(let text, _): return evaluation.text == text ? nil : "got \(text)"
        case .scalar(let number, _):
            guard let expected = evaluation.scalar else { return "got the scalar \(number)" }
            return Self.areEqual(expected, number) ? nil : "got \(number), not \(expected)"
        case .vector(let vector):
            if let expected = evaluation.scalar {
                return vector.count == 1 && Self.areEqual(expected, vector.values[0]) ? nil : "got \(vector)"
            }
            let expected = evaluation.series.map { entry -> Matrix.Series in
                var value = Double.nan
                if case .number(let number)? = entry.values.first { value = number }
                return Matrix.Series(labels: LabelSet(entry.key), timestamps: [evaluation.start], values: [value])
            }
            let actual = vector.labels.indices.map {
                Matrix.Series(labels: vector.labels[$0], timestamps: [vector.time], values: [vector.values[$0]])
            }
            return Self.difference(expected, actual, isOrdered: evaluation.expects(.ordered))
        case .matrix(let matrix):
            let (start, step) = evaluation.rangeVector ?? (evaluation.start, evaluation.step)
            let expected = evaluation.series.map { entry in
                var series = Matrix.Series(labels: LabelSet(entry.key), timestamps: [], values: [])
                for (index, value) in entry.values.enumerated() {
                    guard case .number(let number) = value else { continue }
                    series.timestamps.append(start + Int64(index) * step)
                    series.values.append(number)
                }
                return series
            }
            return Self.difference(expected.filter { !$0.values.isEmpty }, matrix.series, isOrdered: false)
        }
    }

    /// An instant query must give the same as one step of a range query.
    private func rangeProblem(_ evaluation: Script.Evaluation, _ value: QueryValue) throws -> String? {
        guard case .vector(let vector) = value, !evaluation.query.contains("range()"),
            !evaluation.query.contains("step()"), !evaluation.query.contains("start()"),
            !evaluation.query.contains("end()")
        else { return nil }
        let step: Int64 = 60_000
        let time = evaluation.start
        let result: QueryResult
        do {
            result = try target.range(evaluation.query, start: time - step, end: time + step, step: step)
        } catch let error as QueryError where error.code == .nativeHistogram {
            return nil
        }
        guard case .matrix(let matrix) = result.value else { return "no matrix" }
        let expected = vector.labels.indices.map {
            Matrix.Series(labels: vector.labels[$0], timestamps: [time], values: [vector.values[$0]])
        }
        let actual = matrix.series.compactMap { series -> Matrix.Series? in
            guard let index = series.timestamps.firstIndex(of: time) else { return nil }
            return Matrix.Series(labels: series.labels, timestamps: [time], values: [series.values[index]])
        }
        return Self.difference(expected, actual, isOrdered: false).map { "as a range query: \($0)" }
    }

    private static func difference(
        _ expected: [Matrix.Series], _ actual: [Matrix.Series], isOrdered: Bool
    ) -> String? {
        var remaining = actual
        for (index, series) in expected.enumerated() {
            guard let place = remaining.firstIndex(where: { $0.labels == series.labels }) else {
                return "\(series.labels) is missing from \(actual.map { "\($0.labels) \($0.values)" })"
            }
            let found = remaining.remove(at: place)
            let isEqual =
                found.timestamps == series.timestamps
                && zip(series.values, found.values).allSatisfy { areEqual($0, $1) }
            guard isEqual else {
                return "\(series.labels): expected \(series.values) at \(series.timestamps), got \(found.values) at "
                    + "\(found.timestamps)"
            }
            if isOrdered, actual[index].labels != series.labels { return "\(series.labels) is not at \(index)" }
        }
        return remaining.isEmpty ? nil : "unexpected \(remaining.map { "\($0.labels) \($0.values)" })"
    }

    /// Prometheus' tolerance.
    private static func areEqual(_ expected: Double, _ actual: Double) -> Bool {
        if expected.isNaN || actual.isNaN { return expected.isNaN && actual.isNaN }
        if expected == actual { return true }
        let sum = abs(expected) + abs(actual)
        let difference = abs(expected - actual)
        let least = Double.leastNormalMagnitude
        if expected == 0 || actual == 0 || sum < least { return difference < 1e-6 * least }
        return difference / min(sum, .greatestFiniteMagnitude) < 1e-6
    }
}
