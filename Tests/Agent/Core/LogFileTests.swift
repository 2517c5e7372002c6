import AgentCore
import Glibc
import Sources
import TestSupport
import Testing

@Suite("sources: following a log")
struct LogFileTests {
    private let folder: TemporaryDirectory
    private var path: String { folder.file("access.log") }

    init() throws { folder = try TemporaryDirectory("log") }

    private func append(_ text: String, to name: String = "access.log") throws {
        let existing = (try? Files.read(folder.file(name))) ?? []
        if existing.isEmpty {
            try Files.write(Array(text.utf8), to: folder.file(name))
            return
        }
        let file = try #require(fopen(folder.file(name), "a"))
        fputs(text, file)
        fclose(file)
    }

    private func lines(_ file: LogFile) -> [String] {
        var lines: [String] = []
        while !file.read({ lines.append(String(decoding: $0, as: UTF8.self)) }) {}
        return lines
    }

    @Test("a log that is new is read from its end, one that comes later from its start")
    func beginnings() throws {
        try append("old\nhalf")
        let known = LogFile(path: path, kept: nil)
        #expect(lines(known) == [])
        try append(" line\nnew\n")
        #expect(lines(known) == ["new"])
        let later = LogFile(path: folder.file("later.log"), kept: nil)
        #expect(lines(later) == [] && later.checkpoint == nil)
        try append("first\n", to: "later.log")
        #expect(lines(later) == ["first"])
    }

    @Test("partial lines wait, and are read again after a restart")
    func partialLines() throws {
        try append("\n")
        let file = LogFile(path: path, kept: nil)
        try append("a\nb")
        #expect(lines(file) == ["a"])
        let kept = try #require(file.checkpoint)
        try append("c\nd\n")
        #expect(lines(file) == ["bc", "d"])
        let again = LogFile(path: path, kept: LogPosition(encoded: kept.encoded))
        #expect(lines(again) == ["bc", "d"])
    }

    @Test("a rename with a new file loses nothing of what is still written to the old one")
    func rename() throws {
        try append("x\n")
        let file = LogFile(path: path, kept: nil)
        try append("a\n")
        #expect(lines(file) == ["a"])
        #expect(Glibc.rename(path, folder.file("access.log.1")) == 0)
        #expect(lines(file) == [])
        try append("new1\n")
        try append("late\n", to: "access.log.1")
        #expect(lines(file) == ["late"])
        try append("later", to: "access.log.1")
        #expect(lines(file) == ["later", "new1"])
        try append("new2\n")
        #expect(lines(file) == ["new2"])
        #expect(file.takeDrops().isEmpty)
    }

    @Test("a restart after a rotation finishes the old file, wherever it is now, then reads the new one")
    func restartAfterRotation() throws {
        try append("x\n")
        let file = LogFile(path: path, kept: nil)
        try append("a\nb\n")
        #expect(lines(file) == ["a", "b"])
        let kept = try #require(file.checkpoint)
        try append("c\n")
        #expect(Glibc.rename(path, folder.file("access.log-20261124")) == 0)
        try append("new\n")
        let again = LogFile(path: path, kept: kept)
        #expect(lines(again) + lines(again) == ["c", "new"])
        #expect(again.takeDrops().isEmpty)
    }

    @Test("copy and truncate: the file is read from its start, also when it grew past the old place")
    func truncation() throws {
        try append("x\n")
        let file = LogFile(path: path, kept: nil)
        try append("aaaa\n")
        #expect(lines(file) == ["aaaa"])
        #expect(truncate(path, 0) == 0)
        try append("b\n")
        #expect(lines(file) == ["b"])
        #expect(truncate(path, 0) == 0)
        try append("cccc\ndddd\n")
        #expect(lines(file) == ["cccc", "dddd"])
    }

    @Test("a file that is gone for good is counted, and what there is now is read from its start")
    func rotatedAway() throws {
        try append("x\n")
        let file = LogFile(path: path, kept: nil)
        _ = lines(file)
        let kept = try #require(file.checkpoint)
        #expect(unlink(path) == 0)
        // Holds the inode, so that the new file gets another.
        try append("held\n", to: "other")
        try append("new\n")
        let again = LogFile(path: path, kept: kept)
        #expect(lines(again) == ["new"])
        #expect(again.takeDrops()[.rotatedAway] == 1)
    }

    @Test("what is no regular file is not read")
    func devices() {
        let file = LogFile(path: "/dev/zero", kept: nil)
        #expect(lines(file) == [] && file.checkpoint == nil)
    }
}
