import AgentCore
import Control
import RuntimeSupport
import Testing

@Suite("Dry run of manifests") struct DryRunTests {
    private typealias Body = ManifestCheck.Body
    private let good = [
        Body(isOwn: false, name: "group caches' manifest 3", text: "flush-interval: 5 s\n"),
        Body(isOwn: true, name: "manifest 9", text: "collectors:\n  stat: off\n"),
    ]
    private func objection(_ bodies: [Body]) -> String? {
        DryRun.objection(DryRun.encode(bodies), AgentConfiguration())
    }

    @Test("what can be applied is, what cannot is named with manifest, line and key")
    func objections() {
        #expect(objection(good) == nil)
        #expect(objection([]) == nil)
        let unknown = objection(
            good + [Body(isOwn: true, name: "manifest 10", text: "\ncollectors:\n  nothing: off\n")])
        #expect(unknown?.contains("manifest 10:3: collectors.nothing") == true)
        #expect(objection([Body(isOwn: false, name: "g", text: "groups: a\n")])?.contains("the agent's own") == true)
        #expect(objection([Body(isOwn: true, name: "m", text: "data-directory: /tmp\n")])?.contains("m:1") == true)
    }

    @Test("anything else on standard input is refused, cut anywhere or random")
    func garbage() {
        let bytes = DryRun.encode(good)
        for count in bytes.indices { #expect(DryRun.objection(Array(bytes[..<count]), AgentConfiguration()) != nil) }
        var generator = SeededGenerator(seed: 9)
        for _ in 0..<2000 {
            var changed = bytes
            changed[.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            _ = DryRun.objection(changed, AgentConfiguration())
        }
    }

    @Test("a child that is killed, hangs, or ends oddly is a reason to refuse")
    func children() {
        func outcome(_ script: String, _ milliseconds: Int64 = 30_000) -> String? {
            DryRun.outcome(
                ["/bin/sh", "-c", script], good, time: SystemTimeSource(), timeoutMilliseconds: milliseconds)
        }
        #expect(outcome("exit 0") == nil)
        #expect(outcome("echo m:3: wrong; exit 1") == "m:3: wrong")
        #expect(outcome("kill -ILL $$") == "it kills the agent (signal 4) when it is tried")
        #expect(outcome("echo bad; exit 78") == "the dry run ended with status 78: bad")
        #expect(outcome("sleep 60", 100)?.contains("did not end") == true)
    }
}
