import Telemetry
import WireFormat

/// What the agent has heard from aggregators, kept over connections.
struct Hearing {
    /// A version that the aggregator wants here, and whether it arrives in time.
    struct Wish {
        var held: UInt64 = 0
        private(set) var desired: UInt64 = 0
        private(set) var deadline: Int64?
        private(set) var isReported = false

        /// - Returns: whether the wish is new.
        mutating func desire(_ version: UInt64, deadline: Int64) -> Bool {
            guard version != desired else { return false }
            desired = version
            if version <= held {
                self.deadline = nil
            } else if self.deadline == nil, !isReported {
                self.deadline = deadline
            }
            return true
        }

        /// - Returns: the version, if its absence had been reported.
        mutating func arrived(_ version: UInt64) -> UInt64? {
            held = max(held, version)
            guard held >= desired else { return nil }
            deadline = nil
            defer { isReported = false }
            return isReported ? held : nil
        }

        mutating func isOverdue(_ now: Int64) -> Bool {
            guard let deadline, now >= deadline else { return false }
            self.deadline = nil
            isReported = true
            return true
        }
    }

    var keys = Wish()
    var configuration = Wish()
    var flushMilliseconds: UInt32?
    var lastChallenge = ID128.zero
    /// The sequence that the next row of a lane will get, for lanes that rows were stored in since the start.
    private(set) var next: [LaneKey: UInt64] = [:]
    private var highest: [(aggregator: ID128, counter: UInt64)] = []

    var nextDeadline: Int64? { earliest(keys.deadline, configuration.deadline) }

    mutating func produced(_ laneKey: LaneKey, next sequence: UInt64) {
        // Two lanes of the running epoch, and of those drawn after a rewound buffer.
        if next.count >= 64, next[laneKey] == nil { next.removeAll() }
        next[laneKey] = max(sequence, next[laneKey] ?? 0)
    }

    /// A counter that does not grow is a replay.
    mutating func isNew(_ acknowledgement: Acknowledgement) -> Bool {
        if let index = highest.firstIndex(where: { $0.aggregator == acknowledgement.aggregatorID }) {
            guard acknowledgement.counter > highest[index].counter else { return false }
            highest[index].counter = acknowledgement.counter
            return true
        }
        if highest.count >= UplinkLimits.aggregatorsMax { highest.removeFirst() }
        highest.append((acknowledgement.aggregatorID, acknowledgement.counter))
        return true
    }

    mutating func passDeadlines(_ now: Int64) -> [UplinkAction] {
        var actions: [UplinkAction] = []
        if keys.isOverdue(now) { actions.append(.report(.keysWithheld(desired: keys.desired, held: keys.held))) }
        if configuration.isOverdue(now) {
            let (desired, held) = (configuration.desired, configuration.held)
            actions.append(.report(.configurationWithheld(desired: desired, held: held)))
        }
        return actions
    }
}
