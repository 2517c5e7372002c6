import Foundation
import TestSupport
import Testing

/// `stagebox detect score` on files of every shape it takes, and on some it refuses.
@Suite(
    "stagebox detect score", .serialized, .ownThread,
    .enabled(if: SmokePrograms.areThere, "the programs or mosquitto are missing: build, or set STAGEBOX_BIN_DIR"))
struct DetectScoreTests {
    private func score(_ tree: SmokeTree, _ csv: String, train: String? = nil) throws -> [Substring]? {
        let folder = FileManager.default.temporaryDirectory.appending(path: "detect-score-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (input, output) = (folder.appending(path: "in.csv"), folder.appending(path: "out.csv"))
        try Data(csv.utf8).write(to: input)
        var arguments = ["detect", "score", "--input", input.path, "--output", output.path]
        if let train {
            let before = folder.appending(path: "train.csv")
            try Data(train.utf8).write(to: before)
            arguments += ["--train", before.path]
        }
        guard try tree.stagebox(arguments).isDone else { return nil }
        return try String(contentsOf: output, encoding: .utf8).split(separator: "\n")
    }

    @Test("one line per row; a jump is an alarm, with dates, Unix times, labels or nothing beside the values")
    func shapes() throws {
        let tree = try SmokeTree("detect-score")
        defer { tree.stopAll() }
        var (dates, unix, bare) = ("timestamp,value,label\n", "", "")
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        for row in 0..<600 {
            let noise: Double = Double((row * 7_919) % 101) / 10
            let value: Double = row < 550 ? noise : noise + 500
            let clock = padded(row / 12 % 24) + ":" + padded(row % 12 * 5)
            dates += "2024-03-\(padded(1 + row / 288)) \(clock):00,\(value),0\n"
            unix += "\(1_700_000_000 + row * 300),\(value)\n"
            bare += "\(value)\r\n"
        }
        for text in [dates, unix, bare] {
            let lines = try #require(try score(tree, text))
            #expect(lines.count == 601)
            #expect(lines[0] == "score,alarm")
            let alarms = lines.indices.filter { lines[$0].hasSuffix(",1") }.map { $0 - 1 }
            #expect(alarms.contains(550), "\(alarms)")
        }
    }

    @Test("a clock that steps back an hour leaves no row without a score")
    func clockBack() throws {
        let tree = try SmokeTree("detect-score-clock")
        defer { tree.stopAll() }
        var text = ""
        for row in 0..<600 {
            let time = 1_700_000_000 + row * 300 - (row < 500 ? 0 : 3600)
            text += "\(time),\(row == 502 ? 500 : (row * 7_919) % 101)\n"
        }
        let lines = try #require(try score(tree, text))
        #expect(lines[503].hasSuffix(",1"), "\(lines[503])")
        #expect(lines[501...].allSatisfy { !$0.hasPrefix("0.0,") })
    }

    @Test("many columns are a group, and what was trained before counts")
    func group() throws {
        let tree = try SmokeTree("detect-score-group")
        defer { tree.stopAll() }
        func table(_ count: Int) -> String {
            (0..<count).map { "\($0 * 31 % 17),\($0 * 31 % 17 * 2),5\n" }.joined()
        }
        let cold = try #require(try score(tree, table(20)))
        #expect(cold.dropFirst().allSatisfy { $0 == "0.0,0" })
        let warm = try #require(try score(tree, table(20) + "3,40,\n", train: table(400)))
        #expect(warm.count == 22)
        func first(_ line: Substring) -> Float? { Float(line.prefix { $0 != "," }) }
        let (ordinary, strange) = try (#require(first(warm[20])), #require(first(warm[21])))
        #expect(strange > 10 * ordinary)
    }

    @Test("what is no table is refused with its line")
    func refused() throws {
        let tree = try SmokeTree("detect-score-refused")
        defer { tree.stopAll() }
        for text in ["", "a,b\n1,2\n3\n", "value\n1\nx\n", "timestamp,value\nyesterday,1\n", "label\n1\n"] {
            let refused = try score(tree, text)
            #expect(refused == nil)
        }
        let refused = try score(tree, "1,2\n", train: "1,2,3\n")
        #expect(refused == nil)
        let missing = try tree.stagebox(["detect", "score", "--input", "/nowhere.csv", "--output", "/dev/null"])
        #expect(missing.text == "Error: /nowhere.csv cannot be read\n", "no usage: the command line is right")
    }
}
