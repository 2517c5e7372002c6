import Collectors
import Glibc
import RuntimeSupport
import Sources
import Telemetry

/// The one thread of all sources: it waits in poll(2) for their descriptors and deadlines.
///
/// `@unchecked Sendable`: drivers are touched by the thread only, between ``start()`` and ``stop()``; the rest is
/// constant but `thread`, which the owner's thread alone uses.
final class SourceRunner: @unchecked Sendable {
    /// Longest sleep, so that clocks that step are noticed.
    static let waitMillisecondsMax: Int64 = 60_000

    private let time: any TimeSource
    private let drivers: [any SourceDriver]
    /// A pipe whose writing end is closed to stop.
    private let stopPipe: (reading: Int32, writing: Int32)
    private var thread: WorkerThread?

    /// - Returns: nil when the process has no descriptors left.
    init?(time: any TimeSource, drivers: [any SourceDriver]) {
        self.time = time
        self.drivers = drivers
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        stopPipe = (ends[0], ends[1])
    }

    deinit { close(stopPipe.reading) }

    func start() {
        precondition(thread == nil, "a runner starts once")
        thread = WorkerThread(name: "sources") { [self] in
            while step() {}
            drivers.forEach { $0.finish() }
        }
    }

    /// Waits for the last reports.
    func stop() {
        close(stopPipe.writing)
        thread?.join()
        thread = nil
    }

    /// - Returns: false when told to stop.
    private func step() -> Bool {
        var set = [pollfd(fd: stopPipe.reading, events: Int16(POLLIN), revents: 0)]
        var owners: [Int] = [-1]
        for (index, driver) in drivers.enumerated() {
            for interest in driver.interests {
                set.append(interest)
                owners.append(index)
            }
        }
        let now = Int64(time.monotonicNanoseconds / 1_000_000)
        let deadline = drivers.map(\.nextDeadlineMilliseconds).min() ?? .max
        let wait = min(max(0, deadline == .max ? Self.waitMillisecondsMax : deadline - now), Self.waitMillisecondsMax)
        let count = poll(&set, nfds_t(set.count), Int32(wait))
        if count > 0 {
            guard set[0].revents == 0 else { return false }
            for (index, entry) in set.enumerated() where owners[index] >= 0 && entry.revents != 0 {
                drivers[owners[index]].ready(entry.fd)
            }
        }
        let after = Int64(time.monotonicNanoseconds / 1_000_000)
        for driver in drivers where driver.nextDeadlineMilliseconds <= after { driver.advance() }
        return true
    }
}
