import AgentCore
import Control
import RuntimeSupport
import Sealing
import Telemetry
import Testing
import WireFormat

@Suite("The engine under signed commands")
struct EngineCommandTests {
    private func command(
        _ bench: ControlBench, _ verb: String, _ argument: String = "", id: UInt64 = 1, epoch: EpochID? = nil,
        seconds: Int64 = 60
    ) throws -> Command {
        Command(
            id: ID128(high: 7, low: id), runningEpoch: try epoch ?? #require(bench.births.last).runningEpoch,
            notAfter: bench.time.now.advanced(byMilliseconds: seconds * 1000), verb: verb, argument: argument)
    }

    @Test("a command runs once; its repetition is answered with the stored result, also after a restart")
    func runsOnce() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        let status = try command(bench, "status")
        try bench.send(status)
        #expect(bench.results.count == 1 && bench.results[0].outcome == .done && bench.results[0].id == status.id)
        bench.run(seconds: 10)
        try bench.send(status)
        #expect(bench.results.count == 2 && bench.results[1] == bench.results[0])
        try bench.restart()
        bench.run(seconds: 30)
        try bench.send(status)
        #expect(bench.results.last == bench.results[0])
    }

    @Test("a command for another epoch, one that came late, an unknown and a forbidden one are refused with a reason")
    func refuses() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        try bench.send(try command(bench, "flush", epoch: ID128(high: 1, low: 1)))
        try bench.send(try command(bench, "flush", id: 2, seconds: 0))
        try bench.send(try command(bench, "dance", id: 3))
        #expect(bench.results.map(\.outcome) == [.refused, .refused, .refused])
        for (result, reason) in zip(bench.results, ["epoch", "too late", "dance"]) {
            #expect(result.text.contains(reason))
        }
        bench.guardLimits = try GuardLimits(SettingsDocument("remote-commands: off\n", source: "guard.yaml"))
        try bench.restart()
        bench.run(seconds: 30)
        try bench.send(try command(bench, "flush", id: 4))
        #expect(bench.results.last?.outcome == .refused)
        #expect(bench.results.last?.text.contains("guard file") == true)
    }

    @Test("a command that the command key did not sign is not answered")
    func forged() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        try bench.send(try command(bench, "status"), key: SigningKey())
        #expect(bench.results.isEmpty)
    }

    @Test("a renewed certificate for the agent's own keys is kept, another is not; the guard file does not matter")
    func certificate() throws {
        let bench = try ControlBench()
        bench.guardLimits = try GuardLimits(SettingsDocument("remote-commands: off\n", source: "guard.yaml"))
        try bench.restart()
        bench.run(seconds: 5)
        let later = ControlBench.certificateEnd.advanced(byMilliseconds: 86_400_000)
        let foreign = Base64URL.encode(bench.certificate(until: later, isOwn: false))
        try bench.send(try command(bench, "certificate", foreign))
        #expect(bench.results.last?.outcome == .refused && bench.persisted.isEmpty)
        let record = bench.certificate(until: later)
        try bench.send(try command(bench, "certificate", Base64URL.encode(record), id: 2))
        #expect(bench.results.last?.outcome == .done && bench.persisted.last?.certificate == record)
        let older = Base64URL.encode(bench.certificate(until: ControlBench.certificateEnd))
        try bench.send(try command(bench, "certificate", older, id: 3))
        #expect(bench.persisted.count == 1)
    }

    @Test("a pseudonym key is taken if it is newer and sealed to this agent, and the same one again is no error")
    func pseudonymKey() throws {
        let bench = try ControlBench()
        bench.run(seconds: 5)
        let key = PseudonymKey(randomVersion: 3)
        let verb = PseudonymKeyOrder.verb
        let foreign = try PseudonymKeyOrder.seal(key, to: BoxKeyPair().publicKey)
        try bench.send(try command(bench, verb, foreign))
        try bench.send(try command(bench, verb, "nothing", id: 2))
        #expect(bench.results.map(\.outcome) == [.refused, .refused] && bench.persisted.isEmpty)
        let order = try PseudonymKeyOrder.seal(key, to: bench.boxKey)
        try bench.send(try command(bench, verb, order, id: 3))
        #expect(bench.results.last?.outcome == .done)
        #expect(bench.persisted.last?.pseudonymKey == key.secretBytes && bench.persisted.last?.pseudonymKeyVersion == 3)
        #expect(bench.pseudonymKeys.map(\.version) == [3])
        try bench.send(try command(bench, verb, order, id: 4))
        let older = try PseudonymKeyOrder.seal(PseudonymKey(randomVersion: 2), to: bench.boxKey)
        try bench.send(try command(bench, verb, older, id: 5))
        #expect(bench.results.suffix(2).map(\.outcome) == [.done, .refused] && bench.persisted.count == 1)
    }
}
