import Foundation
import Telemetry

/// A table to score: numbers by row and column, and each row's time.
struct ScoreTable: Equatable {
    /// Bytes a file may hold.
    static let bytesMax = 1 << 30
    /// Distance of rows without a time column, in milliseconds.
    static let rowMilliseconds: Int64 = 60_000

    /// Names of the columns that are scored; numbered from 1 without a header.
    var names: [String] = []
    /// Row by row; NaN where a field is empty or no number.
    var values: [Double] = []
    /// Unix milliseconds.
    var times: [Int64] = []
    /// The rows had times of their own.
    var hasTimes = false

    var columns: Int { names.count }
    var rows: Int { times.count }

    func row(_ number: Int) -> ArraySlice<Double> {
        values[number * columns..<(number + 1) * columns]
    }
}

/// What is wrong with a table, and where.
struct ScoreTableError: Error, CustomStringConvertible, Equatable {
    let line: Int
    let reason: String
    var description: String { "line \(line): \(reason)" }
}

extension ScoreTable {
    private static let timeNames: Set<String> = ["timestamp", "time", "date", "datetime", "ts", "_time"]

    /// Reads comma-separated text: with or without a header, with or without a time column (named so, or the first
    /// column when it holds dates or Unix times that rise); a column named `label` is left out.
    init(csv bytes: [UInt8]) throws(ScoreTableError) {
        var lines = Lines(bytes: bytes)
        guard let first = lines.next() else { throw ScoreTableError(line: 1, reason: "the file is empty") }
        var names = first.map(Self.text)
        let isHeader = !first.enumerated().contains { index, field in
            Self.number(field) != nil || (index == 0 && Self.date(field) != nil)
        }
        if !isHeader { names = (1...first.count).map(String.init) }
        var fields: [[ArraySlice<UInt8>]] = isHeader ? [] : [first]
        var numbers = [lines.number]
        if isHeader { numbers = [] }
        while let line = lines.next() {
            guard line.count == names.count else {
                throw ScoreTableError(
                    line: lines.number, reason: "\(line.count) fields where the first line has \(names.count)")
            }
            fields.append(line)
            numbers.append(lines.number)
        }
        let time = isHeader ? names.firstIndex { Self.timeNames.contains($0.lowercased()) } : Self.timeColumn(fields)
        let kept = names.indices.filter { $0 != time && !(isHeader && names[$0].lowercased() == "label") }
        guard !kept.isEmpty else { throw ScoreTableError(line: 1, reason: "no column to score") }
        self.names = kept.map { names[$0] }
        hasTimes = time != nil
        values.reserveCapacity(fields.count * kept.count)
        for (row, line) in fields.enumerated() {
            if let time {
                guard let moment = Self.date(line[time]) ?? Self.number(line[time]).flatMap(Self.moment) else {
                    throw ScoreTableError(line: numbers[row], reason: "\"\(Self.text(line[time]))\" is no time")
                }
                times.append(moment)
            } else {
                times.append(Int64(row) * Self.rowMilliseconds)
            }
            for column in kept {
                let number = Self.number(line[column])
                guard number != nil || Self.isMissing(line[column]) else {
                    throw ScoreTableError(
                        line: numbers[row],
                        reason: "\"\(Self.text(line[column]))\" in column \(names[column]) is no number")
                }
                values.append(number ?? .nan)
            }
        }
    }

    /// The first column, if every field of it is a date, or a Unix time from 2001 on that never falls.
    private static func timeColumn(_ fields: [[ArraySlice<UInt8>]]) -> Int? {
        guard let first = fields.first, first.count > 1 else { return nil }
        if date(first[0]) != nil { return 0 }
        var before = 1e9 - 1
        for line in fields {
            guard let value = number(line[0]), value >= before, value == value.rounded() else { return nil }
            before = value
        }
        return before > 1e9 ? 0 : nil
    }

    /// A Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by their size, in milliseconds.
    static func moment(_ value: Double) -> Int64? {
        let size = abs(value)
        guard size < 1e20 else { return nil }
        let milliseconds = size < 1e11 ? value * 1e3 : size < 1e14 ? value : size < 1e17 ? value / 1e3 : value / 1e6
        return Int64(milliseconds.rounded())
    }

    /// `2014-02-26 13:45:00`, with `T` or a blank, a fraction, `Z` or an offset, in milliseconds; UTC without an offset.
    static func date(_ field: ArraySlice<UInt8>) -> Int64? {
        let bytes = Array(field)
        func digits(_ from: Int, _ count: Int) -> Int64? {
            guard from + count <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[from..<from + count] {
                guard (48...57).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            return value
        }
        guard bytes.count >= 10, bytes[4] == 45, bytes[7] == 45, let year = digits(0, 4), let month = digits(5, 2),
            let day = digits(8, 2), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        var milliseconds =
            CivilDate(year: year, month: month, day: day).daysSinceEpoch * CivilDate.millisecondsPerDay
        guard bytes.count > 10 else { return milliseconds }
        guard bytes.count >= 16, bytes[10] == 32 || bytes[10] == 84, bytes[13] == 58, let hour = digits(11, 2),
            let minute = digits(14, 2), hour < 25, minute < 60
        else { return nil }
        milliseconds += (hour * 60 + minute) * 60_000
        var at = 16
        if at < bytes.count, bytes[at] == 58 {
            guard let second = digits(at + 1, 2), second < 61 else { return nil }
            milliseconds += second * 1_000
            at += 3
        }
        if at < bytes.count, bytes[at] == 46 {
            at += 1
            var weight: Int64 = 100
            while at < bytes.count, (48...57).contains(bytes[at]) {
                milliseconds += Int64(bytes[at] - 48) * weight
                weight /= 10
                at += 1
            }
        }
        if at == bytes.count || (bytes[at] == 90 && at + 1 == bytes.count) { return milliseconds }
        guard bytes[at] == 43 || bytes[at] == 45, let hours = digits(at + 1, 2) else { return nil }
        let hasColon = at + 3 < bytes.count && bytes[at + 3] == 58
        guard let minutes = digits(at + (hasColon ? 4 : 3), 2), at + (hasColon ? 6 : 5) == bytes.count else {
            return nil
        }
        let offset = (hours * 60 + minutes) * 60_000
        return bytes[at] == 43 ? milliseconds - offset : milliseconds + offset
    }

    private static func number(_ field: ArraySlice<UInt8>) -> Double? {
        field.isEmpty ? nil : Double(text(field))
    }

    private static func isMissing(_ field: ArraySlice<UInt8>) -> Bool {
        ["", "na", "n/a", "null", "none", "nan"].contains(text(field).lowercased())
    }

    private static func text(_ field: ArraySlice<UInt8>) -> String { String(decoding: field, as: UTF8.self) }
}

/// The lines of a text as trimmed fields, without quotes around them; empty lines are passed over.
private struct Lines {
    let bytes: [UInt8]
    var position: Int
    var number = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
        position = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    }

    mutating func next() -> [ArraySlice<UInt8>]? {
        while position < bytes.count {
            var end = position
            while end < bytes.count, bytes[end] != 10 { end += 1 }
            let line = bytes[position..<end]
            position = end + 1
            number += 1
            let trimmed = Self.trimmed(line)
            if !trimmed.isEmpty {
                return trimmed.split(separator: 44, omittingEmptySubsequences: false).map(Self.unquoted)
            }
        }
        return nil
    }

    private static func trimmed(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var field = field
        while let first = field.first, first == 32 || first == 9 || first == 13 { field = field.dropFirst() }
        while let last = field.last, last == 32 || last == 9 || last == 13 { field = field.dropLast() }
        return field
    }

    private static func unquoted(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let field = trimmed(field)
        guard field.count >= 2, field.first == 34, field.last == 34 else { return field }
        return trimmed(field.dropFirst().dropLast())
    }
}
