import Access
import AggregatorCore
import RuntimeSupport
import Sealing
import Synchronization
import Telemetry
import Testing
import WireFormat

@Suite("commands at the aggregator")
struct CommandOfficeTests {
    private let acme = OfficeBench.acme
    private let epoch = ID128(high: 3, low: 4)

    private func last(_ bench: OfficeBench, of node: OfficeBench.Node) throws -> Command {
        let sent = try #require(bench.commands.withLock { $0.last })
        #expect(sent.topic == AgentTopics(tenant: acme, agent: node.agent).command)
        return try SignedRecord.open(
            node.box.open(sent.payload), as: Command.self, .command, tenant: acme, agent: node.agent,
            keys: bench.keys.roleList[.command])
    }

    @Test("a signed command is sealed to its agent and kept with its first answer")
    func sends() throws {
        let bench = try OfficeBench()
        let service = bench.enrolment()
        let node = try bench.enrol("edge-1", by: service)
        let office = bench.commandOffice(service)
        let command = Command(
            id: ID128(high: 1, low: 1), runningEpoch: epoch, notAfter: bench.time.now.advanced(byMilliseconds: 1000),
            verb: "flush")
        func record(_ command: Command, _ key: SigningKey) -> [UInt8] {
            SignedRecord.sign(.command, tenant: acme, agent: node.agent, record: command, with: key)
        }
        let key = bench.keys.signer(.command)
        #expect(throws: AccessError.self) { try office.send(record(command, SigningKey()), to: node.agent, of: acme) }
        #expect(try office.send(record(command, key), to: node.agent, of: acme) == command.id)
        #expect(try last(bench, of: node) == command)
        #expect(throws: AccessError.self) { try office.send(record(command, key), to: node.agent, of: acme) }
        #expect(try bench.access.commands(of: acme).map(\.result) == [nil])
        let refused = CommandResult(id: command.id, outcome: .refused, text: "not here", at: bench.time.now)
        office.note(refused, of: node.agent, acme)
        office.note(CommandResult(id: command.id, outcome: .done, text: "", at: bench.time.now), of: node.agent, acme)
        #expect(try bench.access.commands(of: acme).map(\.result) == [refused])
        #expect(try bench.access.commands(of: acme, agent: AgentID(unchecked: "edge-2")).isEmpty)
        bench.time.advance(milliseconds: 2000)
        var late = command
        late.id = ID128(high: 1, low: 2)
        #expect(throws: AccessError.self) { try office.send(record(late, key), to: node.agent, of: acme) }
    }

    @Test("a certificate is renewed a month before its end, and after it, until the agent has it; a revoked one never")
    func renews() throws {
        let bench = try OfficeBench()
        let service = bench.enrolment()
        let node = try bench.enrol("edge-1", by: service)
        let office = bench.commandOffice(service)
        let day: Int64 = 86_400_000
        let first = try #require(bench.agents.endedCertificate(of: node.agent, in: acme))
        bench.time.advance(milliseconds: 59 * day)
        office.renew(node.agent, acme, epoch: epoch)
        #expect(bench.commands.withLock { $0.isEmpty })

        bench.time.advance(milliseconds: 2 * day)
        office.renew(node.agent, acme, epoch: epoch)
        let command = try last(bench, of: node)
        #expect(command.verb == "certificate" && command.runningEpoch == epoch)
        let record = try #require(Base64URL.decode(Substring(command.argument)))
        let renewed = try SignedRecord.open(
            record, as: Certificate.self, .certificate, tenant: acme, agent: node.agent,
            keys: bench.keys.roleList[.certificate])
        #expect(renewed.notAfter > first.notAfter && renewed.identityKey == first.identityKey)
        #expect(bench.agents.certificate(of: node.agent, in: acme, at: bench.time.now) == renewed)
        // The next birth brings it again, as a new command, until it is confirmed.
        office.renew(node.agent, acme, epoch: epoch)
        let again = try last(bench, of: node)
        #expect(again.argument == command.argument && again.id != command.id)
        office.note(CommandResult(id: again.id, outcome: .done, text: "", at: bench.time.now), of: node.agent, acme)
        let count = bench.commands.withLock { $0.count }
        office.renew(node.agent, acme, epoch: epoch)
        #expect(bench.commands.withLock { $0.count } == count)

        bench.time.advance(milliseconds: 200 * day)
        #expect(bench.agents.certificate(of: node.agent, in: acme, at: bench.time.now) == nil)
        office.renew(node.agent, acme, epoch: epoch)
        #expect(bench.agents.certificate(of: node.agent, in: acme, at: bench.time.now) != nil)

        try service.revoke(node.agent, of: acme)
        bench.time.advance(milliseconds: 200 * day)
        office.renew(node.agent, acme, epoch: epoch)
        #expect(bench.agents.endedCertificate(of: node.agent, in: acme) == nil)
        #expect(bench.commands.withLock { $0.count } == count + 1)
    }
}
