import Glibc
import RuntimeSupport
import Sources
import Telemetry

/// StatsD on UDP and on a Unix datagram socket around ``StatsDAggregate``.
final class StatsDDriver: SourceDriver {
    static let name = "statsd"
    /// The largest UDP payload.
    static let packetBytesMax = 65_535
    /// Packets of one socket between two looks at everything else.
    static let packetsPerTurn = 256

    private let context: SourceContext
    private let settings: StatsDDriver.Settings
    private var aggregate: StatsDAggregate
    private var cadence: Cadence
    private var sockets: [DatagramSocket] = []
    private var missing: [() throws -> DatagramSocket] = []
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: packetBytesMax + 1, alignment: 1)

    struct Settings {
        /// Empty: none.
        var listen: String
        var socketPath: String
        var seriesMax: Int
        var intervalMilliseconds: Int64
    }

    init(_ settings: Settings, _ context: SourceContext) {
        self.context = context
        self.settings = settings
        aggregate = StatsDAggregate(seriesMax: settings.seriesMax)
        cadence = Cadence(
            intervalMilliseconds: settings.intervalMilliseconds, now: context.time.now,
            monotonicMilliseconds: context.monotonicMilliseconds)
        let (listen, path) = (settings.listen, settings.socketPath)
        if !listen.isEmpty { missing.append { try DatagramSocket(udp: listen) } }
        if !path.isEmpty { missing.append { try DatagramSocket(path: path) } }
        open()
    }

    deinit { buffer.deallocate() }

    /// What cannot be opened is tried again with each report.
    private func open() {
        missing = missing.filter { make in
            do {
                sockets.append(try make())
                return false
            } catch {
                context.report(.source(Self.name, "\(error); trying again"))
                return true
            }
        }
    }

    var interests: [pollfd] { sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) } }
    var nextDeadlineMilliseconds: Int64 { cadence.dueMilliseconds }

    func ready(_ descriptor: Int32) {
        guard let socket = sockets.first(where: { $0.descriptor == descriptor }) else { return }
        let now = context.time.now
        var packets = 0
        while packets < Self.packetsPerTurn, let count = socket.receive(into: buffer) {
            packets += 1
            aggregate.add(packet: UnsafeRawBufferPointer(rebasing: buffer[..<count]), now: now)
        }
        context.metrics.add("stagebox_agent_statsd_packets_total", Double(packets))
    }

    func advance() {
        guard let instant = cadence.take(now: context.time.now, monotonicMilliseconds: context.monotonicMilliseconds)
        else { return }
        open()
        report(at: instant)
    }

    func finish() {
        interests.forEach { ready($0.fd) }
        report(at: context.time.now)
        sockets = []
    }

    private func report(at instant: Timestamp) {
        context.hand(Self.name, unit: Self.name, aggregate.report(now: context.time.now), at: instant)
        context.count(Self.name, aggregate.takeDrops())
        context.metrics.add("stagebox_agent_statsd_metrics_total", Double(aggregate.takeTaken()))
        context.metrics.set("stagebox_agent_statsd_series", Double(aggregate.seriesCount))
    }
}
