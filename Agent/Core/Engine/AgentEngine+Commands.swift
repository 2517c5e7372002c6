import Buffer
import Control
import MQTT
import RuntimeSupport
import Sealing
import Telemetry
import Uplink
package import WireFormat

/// Commands: things that the aggregator's administrator has this agent do once.
extension AgentEngine {
    /// A command as it came from the broker. Its id is stored before it runs; one that came before is answered with
    /// the stored result.
    /// - Throws: ``SealingError`` when it is not for this agent or nobody entitled signed it.
    func command(_ payload: [UInt8]) throws {
        let command = try trust.command(
            try boxKey.open(payload), tenant: topics.tenant, agent: topics.agent)
        if let known = commands[command.id] { return answer(known) }
        if let objection = objection(to: command) {
            return finish(CommandResult(id: command.id, outcome: .refused, text: objection, at: time.now))
        }
        do {
            try commands.keep(
                CommandResult(id: command.id, outcome: .begun, text: "the agent stopped meanwhile", at: time.now),
                in: buffer)
        } catch {
            let text = "its id could not be stored, so it was not run: \(error)"
            return answer(CommandResult(id: command.id, outcome: .refused, text: text, at: time.now))
        }
        let (outcome, text) = run(command)
        finish(CommandResult(id: command.id, outcome: outcome, text: text, at: time.now))
    }

    /// - Returns: why it is not run; nil if it may.
    private func objection(to command: Command) -> String? {
        // A renewed certificate is no command of a person's: it changes nothing that this node does.
        if !guardLimits.allowsRemoteCommands, command.verb != Self.certificateVerb {
            return "this node's guard file refuses remote commands"
        }
        if command.runningEpoch != buffer.runningEpoch {
            return "it is for epoch \(command.runningEpoch); epoch \(buffer.runningEpoch) runs"
        }
        if time.now >= command.notAfter { return "it came too late" }
        return nil
    }

    private func run(_ command: Command) -> (CommandResult.Outcome, String) {
        switch command.verb {
        case "flush":
            flush()
            return (.done, "what was gathered is sealed and on its way")
        case "reconnect":
            parts.transport.disconnect()
            return (.done, "the connection is made anew")
        case "status":
            return (.done, String(MetricsText.render(metrics.readings()).prefix(CommandResult.textBytesMax / 4)))
        case Self.certificateVerb: return takeCertificate(command.argument)
        case PseudonymKeyOrder.verb: return takePseudonymKey(command.argument)
        default:
            return (.refused, "agent \(parts.version) knows no command \"\(command.verb)\": flush, reconnect, status")
        }
    }

    private static let certificateVerb = "certificate"

    /// - Parameter text: ``PseudonymKeyOrder``, which only this agent's box key opens.
    private func takePseudonymKey(_ text: String) -> (CommandResult.Outcome, String) {
        let key: PseudonymKey
        do { key = try PseudonymKeyOrder.open(text, with: boxKey) } catch {
            return (.refused, "it is not a pseudonym key for this agent")
        }
        if key.version == identity.pseudonymKeyVersion, key.secretBytes == identity.pseudonymKey {
            return (.done, "version \(key.version) of the pseudonym key is held already")
        }
        guard key.version > identity.pseudonymKeyVersion else {
            return (
                .refused, "version \(identity.pseudonymKeyVersion) of the pseudonym key is held; this is \(key.version)"
            )
        }
        identity.pseudonymKeyVersion = key.version
        identity.pseudonymKey = key.secretBytes
        parts.persist(identity)
        parts.control.pseudonymKey(key)
        return (.done, "users get pseudonyms of version \(key.version) from now on")
    }

    /// - Parameter text: the signed record in Base64URL.
    private func takeCertificate(_ text: String) -> (CommandResult.Outcome, String) {
        guard let record = Base64URL.decode(Substring(text)) else { return (.refused, "the argument is not Base64URL") }
        let (identityKey, boxKey) = (signingKey.publicKey.id, boxKey.publicKey)
        do {
            let new = try trust.certificate(record, tenant: topics.tenant, agent: topics.agent, at: time.now)
            guard new.identityKey == identityKey, new.boxKey == boxKey else { throw SealingError.notAuthentic }
            // Verified when it was stored; only its end matters here.
            let held = try Certificate(decoding: SignedEnvelope(decoding: identity.certificate).body)
            guard new.notAfter > held.notAfter else { return (.done, "one that is as good is held") }
        } catch SealingError.notAuthentic {
            return (.refused, "it is not a certificate for this agent's keys")
        } catch {
            return (.refused, "it is not a certificate: \(error)")
        }
        identity.certificate = record
        parts.persist(identity)
        return (.done, "the certificate is renewed")
    }

    private func finish(_ result: CommandResult) {
        do { try commands.keep(result, in: buffer) } catch {
            parts.report(.control("a command's result could not be stored: \(error)"))
        }
        answer(result)
    }

    private func answer(_ result: CommandResult) {
        metrics.add("stagebox_agent_commands_total", 1, "outcome", result.outcome.name)
        parts.report(.control("command \(result.id) \(result.outcome.name)"))
        send(
            result: SignedRecord.sign(
                .commandResult, tenant: topics.tenant, agent: topics.agent, record: result, with: signingKey))
    }
}

/// The last commands and what became of them, kept in the buffer over restarts.
package struct CommandLog {
    /// Beyond it the oldest are forgotten: each command ends with its epoch anyway.
    static let countMax = 16
    private static let key = "commands"
    private var results: [CommandResult]

    /// What cannot be read is forgotten.
    init(in buffer: Buffer) {
        guard let bytes = try? buffer.value(Self.key), let kept = try? Kept(decoding: bytes) else {
            results = []
            return
        }
        results = kept.results
    }

    subscript(id: ID128) -> CommandResult? { results.first { $0.id == id } }

    /// Durable when it returns.
    mutating func keep(_ result: CommandResult, in buffer: Buffer) throws {
        var changed = results.filter { $0.id != result.id } + [result]
        changed = changed.suffix(Self.countMax)
        try buffer.setValue(Self.key, Kept(results: changed).encoded())
        results = changed
    }

    package struct Kept: WireRecord {
        var results: [CommandResult]
        init(results: [CommandResult]) { self.results = results }
        package func encodeFields(into writer: inout ByteWriter) {
            writer.write(varint: UInt64(results.count))
            for result in results { result.encodeFields(into: &writer) }
        }
        package init(fieldsFrom reader: inout ByteReader) throws(WireError) {
            results = []
            for _ in 0..<(try reader.readCount("results", max: CommandLog.countMax)) {
                results.append(try CommandResult(fieldsFrom: &reader))
            }
        }
    }
}
