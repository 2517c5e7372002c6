import RuntimeSupport
import Testing

@Suite("Child runs") struct ChildRunTests {
    private let time = SystemTimeSource()

    private func shell(
        _ script: String, input: [UInt8] = [], outputBytesMax: Int = 4096, timeoutMilliseconds: Int64 = 30_000
    ) -> (ending: ChildRun.Ending, output: String) {
        let run = ChildRun(
            ["/bin/sh", "-c", script], environment: ["PATH=/usr/bin:/bin", "SAID=so"], input: input,
            outputBytesMax: outputBytesMax, timeoutMilliseconds: timeoutMilliseconds, directory: "/")
        let (ending, output) = run.run(time: time)
        return (ending, String(decoding: output, as: UTF8.self))
    }

    @Test("its status, its words and its signal are told")
    func endings() {
        #expect(shell("echo out; echo err >&2; exit 3") == (.exited(3), "out\nerr\n"))
        #expect(shell("kill -SEGV $$").ending == .killed(signal: 11))
        let missing = ChildRun(["/does/not/exist"], environment: [], timeoutMilliseconds: 1000).run(time: time)
        #expect(missing.ending == .notStarted("cannot be started: No such file or directory"))
    }

    @Test("it begins where it is told, with the environment it is given and no descriptor of ours")
    func surroundings() {
        let found = shell("pwd; echo $SAID; echo ${HOME-none}; ls /proc/self/fd | tr '\\n' ' '").output
        // ls itself opens the folder.
        #expect(found == "/\nso\nnone\n0 1 2 3 ")
    }

    @Test("an input larger than a pipe usually holds arrives whole", arguments: [0, 65_536, 65_537, 300_000])
    func input(count: Int) {
        #expect(shell("wc -c", input: [UInt8](repeating: 65, count: count)) == (.exited(0), "\(count)\n"))
    }

    @Test("what does not end is killed with all its children, and so is what is not wanted any more")
    func late() {
        #expect(shell("sleep 60 & sleep 60", timeoutMilliseconds: 100).ending == .late)
        let run = ChildRun(["/bin/sleep", "60"], environment: [], timeoutMilliseconds: 60_000)
        #expect(run.run(time: time, isCancelled: { true }).ending == .cancelled)
    }

    @Test("output beyond its bound is thrown away, and does not hold the child up")
    func output() {
        let (ending, said) = shell("yes | head -c 1000000", outputBytesMax: 10)
        #expect(ending == .exited(0) && said == "y\ny\ny\ny\ny\n")
    }
}
