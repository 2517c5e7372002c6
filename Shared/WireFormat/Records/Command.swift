public import Telemetry

/// Something that one agent is to do once, now. Signed with the command key, sealed to the agent's box key.
public struct Command: WireRecord, Hashable {
    public static let verbBytesMax = 64
    public static let argumentBytesMax = 4096

    public var id: ID128
    /// Another epoch refuses it.
    public var runningEpoch: EpochID
    /// Later it is refused.
    public var notAfter: Timestamp
    public var verb: String
    public var argument: String

    public init(id: ID128, runningEpoch: EpochID, notAfter: Timestamp, verb: String, argument: String = "") {
        self.id = id
        self.runningEpoch = runningEpoch
        self.notAfter = notAfter
        self.verb = verb
        self.argument = argument
    }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(runningEpoch)
        writer.write(notAfter)
        writer.write(text: verb)
        writer.write(text: argument)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        id = try reader.readIdentifier("command id")
        runningEpoch = try reader.readIdentifier("running epoch")
        notAfter = try reader.readTimestamp("not after")
        verb = try reader.readText("verb", max: Self.verbBytesMax)
        argument = try reader.readText("argument", max: Self.argumentBytesMax)
    }
}

/// What became of a command. Signed with the identity, sent sealed on `up/result`.
public struct CommandResult: WireRecord, Hashable {
    public enum Outcome: UInt8, Sendable, CaseIterable {
        /// Its id is stored, its end is not known: the agent stopped in between.
        case begun = 1
        case done = 2
        case failed = 3
        /// Nothing was done; the text says why.
        case refused = 4
        public var name: String { String(describing: self) }
    }
    public static let textBytesMax = 8192

    public var id: ID128
    public var outcome: Outcome
    public var text: String
    public var at: Timestamp

    public init(id: ID128, outcome: Outcome, text: String, at: Timestamp) {
        self.id = id
        self.outcome = outcome
        self.text = text
        self.at = at
    }

    public func encodeFields(into writer: inout ByteWriter) {
        writer.write(id)
        writer.write(outcome.rawValue)
        writer.write(text: text)
        writer.write(at)
    }

    public init(fieldsFrom reader: inout ByteReader) throws(WireError) {
        id = try reader.readIdentifier("command id")
        outcome = try reader.readCase(Outcome.self, "outcome")
        text = try reader.readText("text", max: Self.textBytesMax)
        at = try reader.readTimestamp("time")
    }
}
