import RuntimeSupport

/// Asks filesystems that may never answer, on a thread that may be left behind.
///
/// Each round has a thread of its own that asks one mount after the other; the caller waits for it no longer than
/// ``patienceMilliseconds``. A mount that keeps a thread waiting has no result and is not asked again until that
/// thread comes back. At most ``threadsMax`` threads wait; beyond that no remote mount is asked.
///
/// `@unchecked Sendable`: the stored properties are used with the monitor held.
final class MountProber: @unchecked Sendable {
    static let patienceMilliseconds: Int64 = 20
    static let threadsMax = 4

    private let statistics: @Sendable (String) -> FilesystemUsage?
    private let monitor = Monitor()
    private var results: [String: FilesystemUsage] = [:]
    /// Mounts that a thread is waiting for.
    private var waiting: Set<String> = []
    private var threads = 0
    private var round = 0
    private var finishedRound = 0

    init(statistics: @escaping @Sendable (String) -> FilesystemUsage?) { self.statistics = statistics }

    /// Asks all `paths` that are not being waited for, and waits a moment for their answers.
    func probe(_ paths: some Sequence<String>) {
        monitor.locked {
            let mounted = Set(paths)
            // What is not mounted any more has no answer to keep.
            if results.count > mounted.count { results = results.filter { mounted.contains($0.key) } }
            let asked = mounted.filter { !waiting.contains($0) }.sorted()
            guard !asked.isEmpty, threads < Self.threadsMax else { return }
            round += 1
            threads += 1
            let number = round
            WorkerThread(name: "mount-probe") { [self] in ask(asked, number) }.detach()
            // A spurious wake-up only shortens the wait.
            if finishedRound < number { monitor.wait(milliseconds: Self.patienceMilliseconds) }
        }
    }

    /// The last answer; nil on an error or while the mount is waited for.
    func result(_ path: String) -> FilesystemUsage? {
        monitor.locked { waiting.contains(path) ? nil : results[path] }
    }

    private func ask(_ paths: [String], _ number: Int) {
        for path in paths {
            let isFree = monitor.locked { number == round && waiting.insert(path).inserted }
            // A later round has taken over what this one did not get to.
            guard isFree else { break }
            let usage = statistics(path)
            monitor.locked {
                waiting.remove(path)
                results[path] = usage
            }
        }
        monitor.locked {
            threads -= 1
            finishedRound = max(finishedRound, number)
            monitor.wakeAll()
        }
    }
}
