package import Telemetry

/// One action to be done about one report of a finding.
package struct ActionJob: Sendable, Equatable {
    package var number: UInt64
    package var action: LocalAction
    /// Open while `until` is nil.
    package var finding: Finding

    package init(number: UInt64, action: LocalAction, finding: Finding) {
        self.number = number
        self.action = action
        self.finding = finding
    }
}

/// What became of it.
package struct ActionOutcome: Sendable, Equatable {
    package enum Result: UInt8, Sendable, CaseIterable {
        case done = 1, failed, timeout, refused, interrupted
        case rateLimited, queueFull

        /// As the label of `stagebox_actions_total`.
        package var name: String {
            switch self {
            case .done: "done"
            case .failed: "failed"
            case .timeout: "timeout"
            case .refused: "refused"
            case .interrupted: "interrupted"
            case .rateLimited: "rate-limited"
            case .queueFull: "queue-full"
            }
        }
    }
    package static let detailBytesMax = 256

    package var job: UInt64
    package var action: String
    package var finding: ID128
    package var isOpening: Bool
    package var at: Timestamp
    package var result: Result
    /// For people; printable, at most ``detailBytesMax`` bytes.
    package var detail: String

    package init(_ job: ActionJob, _ result: Result, _ detail: String, at: Timestamp) {
        self.job = job.number
        action = job.action.name
        finding = job.finding.id
        isOpening = job.finding.until == nil
        self.at = at
        self.result = result
        self.detail = Self.printable(detail)
    }

    package init(
        job: UInt64, action: String, finding: ID128, isOpening: Bool, at: Timestamp, result: Result, detail: String
    ) {
        self.job = job
        self.action = action
        self.finding = finding
        self.isOpening = isOpening
        self.at = at
        self.result = result
        self.detail = detail
    }

    /// One line without control characters.
    package static func printable(_ text: String) -> String {
        var shown = ""
        for scalar in withoutControls(text).unicodeScalars {
            guard shown.utf8.count + String(scalar).utf8.count <= detailBytesMax else { break }
            shown.unicodeScalars.append(scalar)
        }
        while shown.last == " " { shown.removeLast() }
        return shown
    }

    /// Spaces for control characters.
    static func withoutControls(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            shown.unicodeScalars.append(isControl ? " " : scalar)
        }
        return shown
    }
}

/// Which action is next: one at a time, in the order of the findings, bounded in the queue and by the hour.
///
/// Pure: its owner does what ``next()`` says and reports ``ended(_:)``.
package struct ActionDispatcher: Sendable {
    /// Beyond it what comes is left out and counted.
    package static let queueMax = 32
    static let hourMilliseconds: Int64 = 3_600_000

    package private(set) var actions: [LocalAction]
    private var waiting: [ActionJob] = []
    private var running: UInt64?
    /// When an action was taken up within the last hour, monotonic milliseconds, ascending.
    private var taken: [String: [Int64]] = [:]
    private var lastNumber: UInt64 = 0

    package init(_ actions: [LocalAction]) { self.actions = actions }

    package var waitingCount: Int { waiting.count }

    /// Takes up a report of a finding, for every action that it matches.
    /// - Parameters:
    ///   - now: monotonic milliseconds.
    ///   - time: the wall clock's word for it.
    /// - Returns: what is left out, and why.
    package mutating func offer(_ finding: Finding, now: Int64, time: Timestamp) -> [ActionOutcome] {
        var refused: [ActionOutcome] = []
        for action in actions where action.match.accepts(finding) {
            lastNumber += 1
            let job = ActionJob(number: lastNumber, action: action, finding: finding)
            var times = taken[action.name] ?? []
            times.removeAll { now - $0 >= Self.hourMilliseconds }
            if times.count >= action.ratePerHour {
                refused.append(
                    ActionOutcome(job, .rateLimited, "more than \(action.ratePerHour) within an hour", at: time))
            } else if waiting.count >= Self.queueMax {
                refused.append(ActionOutcome(job, .queueFull, "\(Self.queueMax) actions wait", at: time))
            } else {
                times.append(now)
                waiting.append(job)
            }
            taken[action.name] = times
        }
        return refused
    }

    /// - Returns: nil while one is under way, or none waits.
    package mutating func next() -> ActionJob? {
        guard running == nil, !waiting.isEmpty else { return nil }
        let job = waiting.removeFirst()
        running = job.number
        return job
    }

    package mutating func ended(_ job: UInt64) { if running == job { running = nil } }

    /// The guard file has others now; what waits for those that went, or changed, is given up.
    /// - Returns: what is given up.
    package mutating func replace(_ actions: [LocalAction], time: Timestamp) -> [ActionOutcome] {
        self.actions = actions
        let gone = waiting.filter { !actions.contains($0.action) }
        waiting.removeAll { !actions.contains($0.action) }
        taken = taken.filter { entry in actions.contains { $0.name == entry.key } }
        return gone.map { ActionOutcome($0, .interrupted, "the guard file does not have it any more", at: time) }
    }

    /// Nothing more is taken up.
    /// - Returns: what waited.
    package mutating func stop(time: Timestamp) -> [ActionOutcome] {
        defer { (waiting, actions) = ([], []) }
        return waiting.map { ActionOutcome($0, .interrupted, "the agent stopped", at: time) }
    }
}
