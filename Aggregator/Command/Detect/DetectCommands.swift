import ArgumentParser
import Foundation

/// `stagebox detect`: the agent's anomaly detection, offline.
struct Detect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detect", abstract: "The agent's anomaly detection on files.", subcommands: [Score.self])

    struct Score: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "score",
            abstract: "Score a CSV file as the agent would, in its order; one line of score and alarm per row.",
            discussion: """
                The file: one column or many, with or without a header and a time column (named timestamp, time, date
                or ts, or a first column of dates or Unix times); a column named label is left out; an empty field is
                a missing value. Rows without times count as a minute apart. One column is judged as a metric, several
                as a group. Output: a header, then per row `score` (0…1) and `alarm` (1 where one begins, else 0).
                """)

        @Option(help: "The file to score.")
        var input: String

        @Option(help: "A file of the same columns to learn from first.")
        var train: String?

        @Option(help: "Where to write the scores.")
        var output: String

        func run() throws {
            let table = try read(input)
            var run = ScoreRun(columns: table.columns)
            var shift: Int64 = 0
            if let train {
                let before = try read(train)
                guard before.columns == table.columns else {
                    throw CommandFailure(
                        "\(train) has \(before.columns) columns to score, \(input) has \(table.columns)")
                }
                for row in 0..<before.rows { _ = run.observe(before.row(row), at: before.times[row]) }
                // Rows without times go on where the training ended.
                if !table.hasTimes, let last = before.times.last { shift = last + ScoreTable.rowMilliseconds }
            }
            var text = "score,alarm\n"
            text.reserveCapacity(table.rows * 12)
            for row in 0..<table.rows {
                let (score, alarm) = run.observe(table.row(row), at: table.times[row] + shift)
                text += "\(score),\(alarm ? 1 : 0)\n"
            }
            do { try Data(text.utf8).write(to: URL(fileURLWithPath: output)) } catch {
                throw CommandFailure("\(output) cannot be written: \(error.localizedDescription)")
            }
        }

        private func read(_ path: String) throws -> ScoreTable {
            guard let file = FileHandle(forReadingAtPath: path) else {
                throw CommandFailure("\(path) cannot be read")
            }
            defer { try? file.close() }  // Only read from: nothing is lost.
            let data = try file.read(upToCount: ScoreTable.bytesMax + 1) ?? Data()
            guard data.count <= ScoreTable.bytesMax else {
                throw CommandFailure("\(path) holds more than \(ScoreTable.bytesMax >> 20) MiB")
            }
            do { return try ScoreTable(csv: [UInt8](data)) } catch {
                throw CommandFailure("\(path), \(error)")
            }
        }
    }
}
