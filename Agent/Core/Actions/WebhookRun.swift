import Actions
import Glibc
import RuntimeSupport
import Sources

/// One finding posted to an address, again if nobody answers or the answer asks for it.
struct WebhookRun {
    /// Before the second and the third attempt, which is the last.
    static let waitsMilliseconds: [Int64] = [1000, 4000]
    static let answerBytesMax = 4096
    private static let tickMilliseconds: Int64 = 50

    let target: HTTPTarget
    let body: [UInt8]
    /// Of one attempt.
    let timeoutMilliseconds: Int64
    var waitsMilliseconds = WebhookRun.waitsMilliseconds

    /// Blocks for at most all attempts and the waits between them.
    func run(time: any TimeSource, isCancelled: () -> Bool) -> (result: ActionOutcome.Result, detail: String) {
        var last: (result: ActionOutcome.Result, detail: String) = (.failed, "not tried")
        for attempt in 0...waitsMilliseconds.count {
            if attempt > 0, !wait(waitsMilliseconds[attempt - 1], time, isCancelled) { break }
            switch self.attempt(time, isCancelled) {
            case nil: return (.interrupted, "the agent stopped")
            case .answer(let answer) where (200...299).contains(answer.status):
                return (.done, "status \(answer.status)")
            case .answer(let answer):
                last = (.failed, "status \(answer.status)")
                // RFC 9110, section 15.5: the same request would be refused again, but for these.
                guard answer.status >= 500 || answer.status == 408 || answer.status == 429 else { return last }
            case .failed(let reason):
                last = (reason == HTTPFetch.tooLate ? .timeout : .failed, reason)
            }
        }
        return isCancelled() ? (.interrupted, "the agent stopped") : (last.result, "\(last.detail), the last attempt")
    }

    /// nil: cancelled.
    private func attempt(_ time: any TimeSource, _ isCancelled: () -> Bool) -> HTTPFetch.Outcome? {
        let fetch = HTTPFetch(
            target, request: target.post(body, type: "application/json"), bodyBytesMax: Self.answerBytesMax,
            deadlineMilliseconds: Self.milliseconds(time) + timeoutMilliseconds)
        while fetch.outcome == nil {
            if isCancelled() { return nil }
            guard var interest = fetch.interest else { break }
            if poll(&interest, 1, Int32(Self.tickMilliseconds)) > 0 { fetch.ready() }
            fetch.expire(now: Self.milliseconds(time))
        }
        return fetch.outcome
    }

    /// - Returns: false when it was cancelled.
    private func wait(_ milliseconds: Int64, _ time: any TimeSource, _ isCancelled: () -> Bool) -> Bool {
        let end = Self.milliseconds(time) + milliseconds
        while Self.milliseconds(time) < end {
            if isCancelled() { return false }
            poll(nil, 0, Int32(Self.tickMilliseconds))
        }
        return true
    }

    private static func milliseconds(_ time: any TimeSource) -> Int64 { Int64(time.monotonicNanoseconds / 1_000_000) }
}
