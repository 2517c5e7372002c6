import Glibc

/// The client's memory and its background thread.
///
/// `@unchecked Sendable`: every access to the stored variables holds `mutex`, except `connection`, which belongs to
/// the background thread.
final class ClientCore: @unchecked Sendable {
    enum Route: Int, CaseIterable {
        case events, metrics
        var path: String { self == .events ? "/v1/events" : "/v1/metrics" }
    }
    private struct Batch {
        var route: Route
        var body: [UInt8]
        var count: Int
    }
    /// Below the agent's bounds of 1 MiB and 4,096 records a request.
    private static let batchBytesMax = 512 << 10
    private static let batchRecordsMax = 2000
    private static let pauseMillisecondsMax: Int64 = 30_000

    let configuration: StageboxClient.Configuration
    let metrics: MetricRegistry
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var batches: [Batch] = []
    private var bytes = 0
    private var counts = StageboxClient.Statistics()
    private var isStopping = false
    private var flushesWanted = 0
    private var flushesDone = 0
    private let connection: AgentConnection

    init(_ configuration: StageboxClient.Configuration) {
        self.configuration = configuration
        metrics = MetricRegistry(capacity: configuration.metricsMax)
        connection = AgentConnection(configuration.address)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    var statistics: StageboxClient.Statistics {
        locked {
            var counts = counts
            counts.metricsRefused = metrics.refused
            return counts
        }
    }

    func enqueue(_ line: [UInt8], _ route: Route) -> Bool {
        locked {
            guard !isStopping, bytes + line.count <= configuration.bytesMax else {
                counts.dropped += 1
                return false
            }
            bytes += line.count
            // Only the newest batch of a route still grows; the one being sent is never last of its route then.
            if let index = batches.lastIndex(where: { $0.route == route }), index > 0 || !isSending,
                batches[index].count < Self.batchRecordsMax, batches[index].body.count < Self.batchBytesMax
            {
                batches[index].body += line
                batches[index].count += 1
            } else {
                batches.append(Batch(route: route, body: line, count: 1))
            }
            return true
        }
    }
    /// Whether the first batch is on its way.
    private var isSending = false

    func flush() -> Bool {
        locked {
            guard !isStopping else { return batches.isEmpty }
            flushesWanted += 1
            let mine = flushesWanted
            pthread_cond_broadcast(condition)
            while flushesDone < mine, !isStopping { pthread_cond_wait(condition, mutex) }
            return batches.isEmpty
        }
    }

    func stop() {
        locked {
            isStopping = true
            pthread_cond_broadcast(condition)
        }
    }

    // MARK: the background thread

    func start() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<ClientCore>.fromOpaque(raw).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if result == 0 {
            pthread_detach(thread)
        } else {  // no thread to be had: everything is counted as dropped
            context.release()
            stop()
        }
    }

    private func run() {
        var nextMetrics = Self.monotonicMilliseconds() + configuration.metricsMilliseconds
        var pause: Int64 = 0
        while true {
            let wait = pause > 0 ? pause : configuration.flushMilliseconds
            let (wanted, ends) = locked { () -> (Int, Bool) in
                let deadline = Self.deadline(afterMilliseconds: wait)
                while flushesWanted == flushesDone, !isStopping {
                    var deadline = deadline
                    if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
                }
                return (flushesWanted, isStopping)
            }
            if ends { return }
            let now = Self.monotonicMilliseconds()
            if now >= nextMetrics || wanted > locked({ flushesDone }) {
                for line in metrics.read(at: Self.now()) { _ = enqueue(line, .metrics) }
                nextMetrics = now + configuration.metricsMilliseconds
            }
            let isDone = sendAll()
            pause = isDone ? 0 : min(max(pause * 2, 500), Self.pauseMillisecondsMax)
            locked {
                flushesDone = max(flushesDone, wanted)
                pthread_cond_broadcast(condition)
            }
        }
    }

    /// - Returns: false when something must wait for another try.
    private func sendAll() -> Bool {
        while let batch = locked({ () -> Batch? in
            isSending = !batches.isEmpty
            return batches.first
        }) {
            let answer = connection.post(batch.route.path, batch.body)
            let isFinal = locked { () -> Bool in
                isSending = false
                guard let answer, answer.status != 429, answer.status < 500 else {
                    counts.retries += 1
                    return false
                }
                let refused = answer.status == 200 ? Self.refusedCount(answer.body) : batch.count
                counts.refused += min(refused, batch.count)
                counts.sent += max(0, batch.count - refused)
                batches.removeFirst()
                bytes -= batch.body.count
                return true
            }
            if !isFinal { return false }
        }
        return true
    }

    private static func refusedCount(_ body: String) -> Int {
        guard let range = body.firstRange(of: #""rejected_count":"#) else { return 0 }
        return Int(body[range.upperBound...].prefix { $0.isNumber }) ?? 0
    }

    // MARK: lines and clocks

    static func line(
        _ name: String, _ type: String, _ labels: [(String, String)], _ value: Double, _ milliseconds: Int64
    ) -> [UInt8] {
        var line = JSONLine()
        line.add("name", name)
        line.add("type", type)
        line.add("value", value)
        line.add("timestamp", milliseconds)
        if !labels.isEmpty { line.add("labels", labels) }
        return line.finished()
    }

    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    private static func monotonicMilliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    private static func deadline(afterMilliseconds milliseconds: Int64) -> timespec {
        let total = monotonicMilliseconds() + max(10, milliseconds)
        return timespec(tv_sec: Int(total / 1000), tv_nsec: Int(total % 1000) * 1_000_000)
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
