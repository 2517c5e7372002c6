package import Access
package import RuntimeSupport
import Sealing
import Synchronization
package import Telemetry
package import WireFormat

/// Sends commands to agents and keeps what became of them, also the one command that the aggregator gives itself:
/// a renewed certificate, when an agent's own is about to end or has ended.
///
/// Thread-safe. What people send is signed wherever the command key is.
package final class CommandOffice: Sendable {
    /// A certificate that was sent and not confirmed yet is sent again at each birth, with this bound of agents.
    static let unconfirmedMax = 100_000
    /// How long the command that brings a certificate may wait in the broker.
    static let renewalNotAfterMilliseconds: Int64 = 3_600_000
    /// The verb that brings a certificate; its argument is the signed record in Base64URL.
    package static let certificateVerb = "certificate"

    private let access: AccessStore
    private let enrolment: EnrolmentService
    private let keys: KeyDirectory
    private let directory: AgentDirectory
    private let time: any TimeSource
    private let publish: @Sendable (_ topic: String, _ payload: [UInt8]) -> Bool
    private let report: @Sendable (String) -> Void
    private let unconfirmed = Mutex<[AgentDirectory.Address: (command: ID128, record: [UInt8])]>([:])

    /// - Parameter publish: to the broker, not retained; false while there is no connection.
    package init(
        access: AccessStore, enrolment: EnrolmentService, keys: KeyDirectory, directory: AgentDirectory,
        time: any TimeSource, publish: @escaping @Sendable (_ topic: String, _ payload: [UInt8]) -> Bool,
        report: @escaping @Sendable (String) -> Void
    ) {
        self.access = access
        self.enrolment = enrolment
        self.keys = keys
        self.directory = directory
        self.time = time
        self.publish = publish
        self.report = report
    }

    /// Takes a signed command, keeps it and publishes it, sealed to the agent.
    /// - Throws: ``AccessError`` that says what is wrong with it.
    package func send(_ record: [UInt8], to agent: AgentID, of tenant: TenantID) throws -> ID128 {
        guard let certificate = directory.certificate(of: agent, in: tenant, at: time.now) else {
            throw AccessError(.notFound, "there is no agent \(agent) with a certificate in force")
        }
        let command: Command
        do {
            command = try SignedRecord.open(
                record, as: Command.self, .command, tenant: tenant, agent: agent, keys: keys.roleList[.command])
        } catch {
            throw AccessError(.refused, "the command key did not sign this command for \(tenant)/\(agent)")
        }
        guard command.notAfter > time.now else { throw AccessError(.refused, "the command's time is over") }
        try access.keep(command, for: agent, of: tenant, now: time.now)
        guard publish(topic(agent, tenant), try SealedBox.seal(record, to: certificate.boxKey)) else {
            let result = CommandResult(
                id: command.id, outcome: .refused, text: "not sent: there is no connection to the broker",
                at: time.now)
            try access.keep(result, of: agent, in: tenant)
            throw AccessError(.system, "there is no connection to the broker; the command was not sent")
        }
        return command.id
    }

    /// What an agent says became of a command.
    package func note(_ result: CommandResult, of agent: AgentID, _ tenant: TenantID) {
        let address = AgentDirectory.Address(tenant: tenant, agent: agent)
        if result.outcome == .done {
            unconfirmed.withLock { if $0[address]?.command == result.id { $0[address] = nil } }
        }
        do { try access.keep(result, of: agent, in: tenant) } catch {
            report("a command's result of \(tenant)/\(agent) could not be kept: \(error)")
        }
    }

    /// Renews the certificate of an agent that just proved its key, if that is due, and sends the new one until the
    /// agent has it.
    /// - Parameter epoch: that runs there.
    package func renew(_ agent: AgentID, _ tenant: TenantID, epoch: EpochID) {
        let address = AgentDirectory.Address(tenant: tenant, agent: agent)
        do {
            let issued = try enrolment.renewIfDue(agent, of: tenant)
            guard let record = issued?.record ?? unconfirmed.withLock({ $0[address]?.record }),
                let certificate = directory.endedCertificate(of: agent, in: tenant)
            else { return }
            var generator = SecureGenerator()
            let command = Command(
                id: ID128(random: &generator), runningEpoch: epoch,
                notAfter: time.now.advanced(byMilliseconds: Self.renewalNotAfterMilliseconds),
                verb: Self.certificateVerb, argument: Base64URL.encode(record))
            unconfirmed.withLock { unconfirmed in
                if unconfirmed[address] == nil, unconfirmed.count >= Self.unconfirmedMax { return }
                unconfirmed[address] = (command.id, record)
            }
            try access.keep(command, for: agent, of: tenant, now: time.now)
            let signed = SignedRecord.sign(
                .command, tenant: tenant, agent: agent, record: command, with: keys.signer(.command))
            // Lost without a connection: the agent's next birth brings it again.
            _ = publish(topic(agent, tenant), try SealedBox.seal(signed, to: certificate.boxKey))
        } catch { report("the certificate of \(tenant)/\(agent) could not be renewed: \(error)") }
    }

    private func topic(_ agent: AgentID, _ tenant: TenantID) -> String {
        AgentTopics(tenant: tenant, agent: agent).command
    }
}
