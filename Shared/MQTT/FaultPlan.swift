/// What a network and a broker do to messages, decided by one seed. Shares are of 1 for each message.
public struct FaultPlan: Sendable {
    /// A time when some clients are cut off: what they and the broker say waits, and after their keep-alive
    /// both sides give the connection up.
    public struct Partition: Sendable {
        public var from: Int64
        public var until: Int64
        /// Of client ids; empty: all.
        public var clientPrefix: String
        public init(from: Int64, until: Int64, clientPrefix: String = "") {
            self.from = from
            self.until = until
            self.clientPrefix = clientPrefix
        }
    }
    public struct Crash: Sendable {
        public var at: Int64
        public var downMilliseconds: Int64
        /// Sessions, their queues and retained messages are gone.
        public var losesState: Bool
        public init(at: Int64, downMilliseconds: Int64, losesState: Bool) {
            self.at = at
            self.downMilliseconds = downMilliseconds
            self.losesState = losesState
        }
    }

    public var seed: UInt64 = 0
    /// Virtual milliseconds after which every message is carried faithfully.
    public var until: Int64 = .max
    /// One way.
    public var delayMilliseconds: ClosedRange<Int64> = 1...1
    /// Later messages may overtake earlier ones by as much as the delays differ.
    public var reorders = false
    /// Taken with a PUBACK, never delivered.
    public var dropShare = 0.0
    public var duplicateShare = 0.0
    /// An old message of the same subscription's is delivered again beside it.
    public var replayShare = 0.0
    /// Random bytes, or a corrupted copy, are delivered beside it.
    public var forgeShare = 0.0
    /// Delivered late, by `withholdMilliseconds`.
    public var withholdShare = 0.0
    public var withholdMilliseconds: ClosedRange<Int64> = 1000...600_000
    /// The message is taken but its PUBACK never comes.
    public var pubackLossShare = 0.0
    /// The publisher's connection breaks just after.
    public var kickShare = 0.0
    public var partitions: [Partition] = []
    public var crashes: [Crash] = []

    public init(seed: UInt64 = 0) { self.seed = seed }
    /// An honest broker over a fast network.
    public static let none = FaultPlan()

    func isPartitioned(_ clientID: String, at time: Int64) -> Partition? {
        partitions.first { $0.from <= time && time < $0.until && clientID.hasPrefix($0.clientPrefix) }
    }
}
