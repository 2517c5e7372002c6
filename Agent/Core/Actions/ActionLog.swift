package import Actions
import Sealing
import Telemetry
package import WireFormat

/// What became of the node's last actions, beside its findings: a file sealed under the machine key.
///
/// Layout: version (1), varint count, each: id finding, byte 1 opened or 0 closed, time, byte result, text action, text
/// detail.
package struct ActionLog {
    /// The oldest go first.
    package static let outcomesMax = 256
    private static let version: UInt8 = 1

    private let file: SealedFile

    /// - Throws: when the machine key cannot be read or made.
    package init(_ configuration: AgentConfiguration) throws { file = try IdentityFile(configuration).actions }

    /// The oldest first. None when there is no file, or one that does not read: it is made anew then.
    package func read() -> [ActionOutcome] {
        guard let bytes = try? file.read() else { return [] }
        return (try? Self.decode(bytes)) ?? []
    }

    package func add(_ added: [ActionOutcome]) throws {
        try file.write(Self.encode((read() + added).suffix(Self.outcomesMax)))
    }

    package static func encode(_ outcomes: some Collection<ActionOutcome>) -> [UInt8] {
        var writer = ByteWriter(reserving: 128 * outcomes.count)
        writer.write(version)
        writer.write(varint: UInt64(outcomes.count))
        for outcome in outcomes {
            writer.write(outcome.finding)
            writer.write(outcome.isOpening ? 1 : 0 as UInt8)
            writer.write(outcome.at)
            writer.write(outcome.result.rawValue)
            writer.write(text: outcome.action)
            writer.write(text: outcome.detail)
        }
        return writer.bytes
    }

    package static func decode(_ bytes: [UInt8]) throws(WireError) -> [ActionOutcome] {
        try ByteReader.reading(bytes) { (reader) throws(WireError) in
            let found = try reader.readByte("version")
            guard found == version else { throw .unsupportedVersion(found) }
            var outcomes: [ActionOutcome] = []
            for _ in 0..<(try reader.readCount("outcomes", max: outcomesMax)) {
                let finding = try reader.readIdentifier("finding")
                let isOpening = try reader.readBool("opening")
                let at = try reader.readTimestamp("time")
                guard let result = ActionOutcome.Result(rawValue: try reader.readByte("result")) else {
                    throw .invalid("result")
                }
                let action = try reader.readText("action", max: LocalAction.nameBytesMax)
                let detail = try reader.readText("detail", max: ActionOutcome.detailBytesMax)
                outcomes.append(
                    ActionOutcome(
                        job: 0, action: action, finding: finding, isOpening: isOpening, at: at, result: result,
                        detail: detail))
            }
            try reader.finish()
            return outcomes
        }
    }
}
