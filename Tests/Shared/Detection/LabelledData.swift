import Foundation
import Glibc
import TestSupport

/// Labelled series of `STAGEBOX_DATA_DIR`, and the rules they are scored by: those of `Packaging/scripts/bench-detect`.
enum LabelledData {
    /// A series of the Numenta Anomaly Benchmark and its labelled windows, by row.
    struct Series {
        var name: String
        var times: [Int64] = []
        var values: [Double] = []
        var windows: [ClosedRange<Int>] = []
        /// Rows that do not count.
        var probation: Int { Int(min(0.15 * Double(values.count), 750)) }
    }

    static func nab(_ data: String) throws -> [Series] {
        let bytes = try Files.read("\(data)/nab/windows.json")
        let windows = try JSONDecoder().decode([String: [[String]]].self, from: Data(bytes))
        return try windows.keys.sorted().map { name in
            var series = Series(name: name)
            var stamps: [Substring] = []
            let text = try Files.text("\(data)/nab/\(name)")
            for line in text.split(separator: "\n").dropFirst() {
                let fields = line.split(separator: ",")
                guard fields.count == 2, let value = Double(fields[1]) else { continue }
                stamps.append(fields[0].prefix(19))
                series.times.append(milliseconds(fields[0]))
                series.values.append(value)
            }
            for window in windows[name] ?? [] {
                // Dates of one form, in the order of their letters.
                let rows = stamps.indices.filter {
                    stamps[$0] >= window[0].prefix(19) && stamps[$0] <= window[1].prefix(19)
                }
                if let first = rows.first, let last = rows.last { series.windows.append(first...last) }
            }
            return series
        }
    }

    /// `2014-02-26 13:45:00`; days by Hinnant, "chrono-compatible low-level date algorithms".
    private static func milliseconds(_ text: Substring) -> Int64 {
        let part = text.split { "-: ".contains($0) }.map { Int64($0.prefix(2 + 2 * ($0.count / 4))) ?? 0 }
        guard part.count >= 6 else { return 0 }
        let year = part[1] <= 2 ? part[0] - 1 : part[0]
        let ofYear = (153 * (part[1] + (part[1] > 2 ? -3 : 9)) + 2) / 5 + part[2] - 1
        let days = year * 365 + year / 4 - year / 100 + year / 400 + ofYear - 719_468
        return (days * 86_400 + part[3] * 3_600 + part[4] * 60 + part[5]) * 1_000
    }

    /// A machine's rows of training and test, and which of the latter are anomalous. Read with the `gzip` program.
    static func machine(_ data: String, _ collection: String, _ name: String) throws -> (
        train: [[Double]], test: [[Double]], labels: [Bool]
    ) {
        func rows(_ part: String) throws -> [[Double]] {
            let path = "\(data)/\(collection)/\(name)_\(part).csv.gz"
            guard let pipe = popen("gzip -dc '\(path)'", "r") else { throw SystemError("popen gzip") }
            var text: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = fread(&chunk, 1, chunk.count, pipe)
                if count == 0 { break }
                text.append(contentsOf: chunk[..<count])
            }
            guard pclose(pipe) == 0 else { throw SystemError("gzip") }
            return text.split(separator: UInt8(ascii: "\n")).map { line in
                line.split(separator: UInt8(ascii: ",")).map { Double(String(decoding: $0, as: UTF8.self)) ?? .nan }
            }
        }
        let labels = try Files.text("\(data)/\(collection)/\(name)_test_label.txt").split(separator: "\n")
        return (try rows("train"), try rows("test"), labels.map { (Double($0) ?? 0) > 0 })
    }

    /// NAB's credit of an alarm at a position from a window's end, in window lengths.
    private static func credit(_ position: Double) -> Double { position > 3 ? -1 : 2 / (1 + exp(5 * position)) - 1 }

    /// Sum of a series' credits and windows that count, by NAB's own rules and standard profile.
    static func nabSum(_ alarms: [Bool], _ series: Series) -> (sum: Double, windows: Int) {
        var best = series.windows.map { $0.upperBound >= series.probation ? -1.0 : nil }
        var sum = 0.0
        for row in series.probation..<alarms.count where alarms[row] {
            if let inside = series.windows.firstIndex(where: { $0.contains(row) }) {
                let window = series.windows[inside]
                let found = credit(-Double(window.upperBound - row + 1) / Double(window.count)) / credit(-1)
                best[inside] = max(best[inside] ?? found, found)
            } else if let before = series.windows.last(where: { $0.upperBound < row }) {
                sum += 0.11 * credit(Double(row - before.upperBound) / Double(max(1, before.count - 1)))
            } else {
                sum -= 0.11
            }
        }
        let counted = best.compactMap { $0 }
        return (sum + counted.reduce(0, +), counted.count)
    }

    static func averagePrecision(_ labels: [Bool], _ scores: [Float]) -> Double {
        let order = scores.indices.sorted { scores[$0] > scores[$1] }
        let positives = Double(labels.reduce(0) { $0 + ($1 ? 1 : 0) })
        var (hits, sum, recall, index) = (0.0, 0.0, 0.0, 0)
        while index < order.count {
            let value = scores[order[index]]
            while index < order.count, scores[order[index]] == value {
                hits += labels[order[index]] ? 1 : 0
                index += 1
            }
            sum += (hits / positives - recall) * hits / Double(index)
            recall = hits / positives
        }
        return sum
    }

    /// The mean of each value and up to nine before it.
    static func smoothed(_ values: [Float]) -> [Float] {
        values.indices.map { row in
            let window = values[max(0, row - 9)...row]
            return window.reduce(0, +) / Float(window.count)
        }
    }
}
