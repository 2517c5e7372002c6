import CMosquitto
import Glibc
import RuntimeSupport
import Synchronization

/// One connection attempt and the connection it becomes: a libmosquitto handle and the thread that drives it.
///
/// libmosquitto's threaded mode is used with a loop of our own over poll(2): its `mosquitto_loop` waits with
/// select(2), which breaks above descriptor 1023, and its own thread reconnects by itself.
///
/// `@unchecked Sendable`: `handle` is used by other threads only under `isOpen`'s lock and is destroyed after
/// it turned false; the loop's own variables are touched by its thread only.
final class MosquittoConnection: @unchecked Sendable {
    enum Ending: UInt8 { case none = 0, disconnect, abandon }
    private enum Stage: UInt8 { case attempting = 0, answered, orphaned }

    let number: UInt64
    let options: TransportOptions
    let context: TLSContext?
    private let timeSource: any TimeSource
    let sink: TransportSink
    let handle: OpaquePointer
    private let wakeDescriptor: Int32
    let isOpen = Mutex(false)
    let flying = Atomic<Int>(0)
    private let ending = Atomic<UInt8>(0)
    private let stage = Atomic<UInt8>(0)
    private let isWoken = Atomic<Bool>(false)
    private let over = Atomic<Bool>(false)
    let packetBytesMax = Atomic<Int>(268_435_455)

    // The loop's own.
    var wasConnected = false
    var failure: TransportFailure?
    var messagesRead: UInt64 = 0
    var lastLogLine = ""
    private var isDestroyed = false

    init(
        number: UInt64, options: TransportOptions, context: TLSContext?, timeSource: any TimeSource,
        sink: @escaping TransportSink
    )
        throws(TransportError)
    {
        self.number = number
        self.options = options
        self.context = context
        self.timeSource = timeSource
        self.sink = sink
        _ = Self.library
        guard let handle = mosquitto_new(options.clientID, options.cleanStart, nil) else {
            throw .failed("libmosquitto gives no handle: \(String(cString: strerror(errno)))")
        }
        self.handle = handle
        wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard wakeDescriptor >= 0 else {
            throw .failed("no wake-up descriptor: \(String(cString: strerror(errno)))")
        }
        try configure()
    }

    deinit {
        if !isDestroyed { mosquitto_destroy(handle) }
        if wakeDescriptor >= 0 { close(wakeDescriptor) }
    }

    /// Never released: other connections may start at any time.
    private static let library: Int32 = mosquitto_lib_init()

    var isOver: Bool { over.load(ordering: .acquiring) }
    var inFlight: Int { flying.load(ordering: .relaxed) }

    // MARK: Calls from any thread

    func start() throws(TransportError) {
        let retained = Unmanaged.passRetained(self)
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 512 * 1024)
        defer { pthread_attr_destroy(&attributes) }
        let result = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                stagebox_name_thread("mqtt")
                Unmanaged<MosquittoConnection>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, retained.toOpaque())
        guard result == 0 else {
            retained.release()
            throw .failed("no thread for the connection: \(String(cString: strerror(result)))")
        }
    }

    func end(_ how: Ending) {
        ending.store(how.rawValue, ordering: .releasing)
        wake()
    }

    /// Gives an attempt up without waiting for name look-up or TCP, which cannot be interrupted: the thread
    /// ends by itself and reports nothing.
    /// - Returns: false when the broker has answered already, so that ``end(_:)`` is to be used.
    func orphan() -> Bool {
        ending.store(Ending.abandon.rawValue, ordering: .releasing)
        wake()
        return stage.compareExchange(
            expected: Stage.attempting.rawValue, desired: Stage.orphaned.rawValue, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// The broker's answer is to be reported.
    /// - Returns: false when the attempt was given up meanwhile.
    func answered() -> Bool {
        stage.compareExchange(
            expected: Stage.attempting.rawValue, desired: Stage.answered.rawValue, ordering: .acquiringAndReleasing
        ).exchanged
    }

    func subscribe(_ filters: [String], _ quality: QualityOfService) throws(TransportError) {
        guard !filters.isEmpty else { return }
        let result = isOpen.withLock { isOpen -> Int32 in
            guard isOpen else { return Int32(MOSQ_ERR_NO_CONN.rawValue) }
            let texts: [UnsafeMutablePointer<CChar>?] = filters.map { strdup($0) }
            defer { texts.forEach { free($0) } }
            return mosquitto_subscribe_multiple(
                handle, nil, Int32(texts.count), texts, Int32(quality.rawValue), 0, nil)
        }
        try check(result, "subscribe to \(filters.joined(separator: " ").prefix(200))")
        wake()
    }

    func publish(topic: String, payload: [UInt8], retain: Bool) throws(TransportError) -> PublishToken {
        // PUBLISH: fixed header ≤ 5, topic length 2, packet id 2, properties 1.
        let size = payload.count + topic.utf8.count + 10
        let limit = packetBytesMax.load(ordering: .relaxed)
        guard size <= limit else { throw .tooLarge(bytes: size, limit: limit) }
        var packet: Int32 = 0
        let result = try isOpen.withLock { (isOpen) throws(TransportError) -> Int32 in
            guard isOpen else { throw .notConnected }
            guard flying.load(ordering: .relaxed) < options.inFlightMax else {
                throw .tooManyInFlight(limit: options.inFlightMax)
            }
            flying.wrappingAdd(1, ordering: .relaxed)
            return payload.withUnsafeBytes {
                mosquitto_publish_v5(handle, &packet, topic, Int32($0.count), $0.baseAddress, 1, retain, nil)
            }
        }
        if result != MOSQ_ERR_SUCCESS.rawValue { flying.wrappingSubtract(1, ordering: .relaxed) }
        try check(result, "publish to \(topic.prefix(200))")
        wake()
        return token(packet)
    }

    func token(_ packet: Int32) -> PublishToken {
        PublishToken(rawValue: number << 16 | UInt64(UInt16(truncatingIfNeeded: packet)))
    }

    private func wake() {
        guard !isWoken.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var one: UInt64 = 1
        _ = Glibc.write(wakeDescriptor, &one, 8)
    }

    private func check(_ result: Int32, _ what: String) throws(TransportError) {
        switch result {
        case Int32(MOSQ_ERR_SUCCESS.rawValue): return
        case Int32(MOSQ_ERR_NO_CONN.rawValue), Int32(MOSQ_ERR_CONN_LOST.rawValue): throw .notConnected
        case Int32(MOSQ_ERR_INVAL.rawValue), Int32(MOSQ_ERR_MALFORMED_UTF8.rawValue):
            throw .invalid("\(what): not a valid topic")
        default: throw .failed("\(what): \(String(cString: mosquitto_strerror(result)))")
        }
    }

    // MARK: The connection's thread

    private func run() {
        let result = open()
        if result == MOSQ_ERR_SUCCESS.rawValue { loop() } else { failure = failure ?? explain(result) }
        isOpen.withLock { $0 = false }
        mosquitto_destroy(handle)  // closes the socket
        isDestroyed = true
        over.store(true, ordering: .releasing)
        guard wasConnected || answered() else { return }
        let ending = Ending(rawValue: ending.load(ordering: .acquiring)) ?? .none
        let reason =
            ending == .none
            ? failure ?? TransportFailure(.lost, "the connection to \(place) ended")
            : TransportFailure(.requested, "closed by us")
        sink(wasConnected || ending != .none ? .disconnected(reason) : .connectFailed(reason))
    }

    private func open() -> Int32 {
        var properties: OpaquePointer?
        defer { mosquitto_property_free_all(&properties) }
        if options.sessionExpirySeconds > 0 {
            mosquitto_property_add_int32(
                &properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), options.sessionExpirySeconds)
        }
        let port = Int32(options.port)
        return mosquitto_connect_bind_v5(handle, options.host, port, Int32(options.keepAliveSeconds), nil, properties)
    }

    private func loop() {
        let opened = monotonicMilliseconds()
        let patience = Int32(min(10_000, max(1000, Int(options.keepAliveSeconds) * 250)))
        var descriptors = [
            pollfd(fd: 0, events: 0, revents: 0), pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0),
        ]
        var goodbyeAt: Int64?
        while true {
            let now = monotonicMilliseconds()
            switch Ending(rawValue: ending.load(ordering: .acquiring)) ?? .none {
            case .none: break
            case .abandon: return
            case .disconnect:
                if goodbyeAt == nil {
                    guard wasConnected else { return }
                    isOpen.withLock { $0 = false }
                    mosquitto_disconnect_v5(handle, 0, nil)
                    goodbyeAt = now
                }
                if let goodbyeAt, now - goodbyeAt > 1000 { return }
            }
            if !wasConnected, now - opened > options.connectTimeoutMilliseconds {
                failure = TransportFailure(
                    .unreachable,
                    "\(place) took the connection and did not answer within "
                        + "\(options.connectTimeoutMilliseconds) ms: is it an MQTT 5 broker\(tlsHint)?")
                return
            }
            let socket = mosquitto_socket(handle)
            guard socket >= 0 else { return }
            descriptors[0].fd = socket
            descriptors[0].events = Int16(POLLIN) | (mosquitto_want_write(handle) ? Int16(POLLOUT) : 0)
            let wait = wasConnected && goodbyeAt == nil ? patience : 200
            if poll(&descriptors, 2, wait) < 0, errno != EINTR { return }
            if descriptors[1].revents != 0 {
                var count: UInt64 = 0
                _ = Glibc.read(wakeDescriptor, &count, 8)
                isWoken.store(false, ordering: .releasing)
            }
            let result = exchange(readable: descriptors[0].revents != 0)
            if result != MOSQ_ERR_SUCCESS.rawValue {
                failure = failure ?? explain(result)
                return
            }
        }
    }

    /// Reads what there is (bounded, so that writing and ending get their turn), then writes what waits.
    private func exchange(readable: Bool) -> Int32 {
        if readable {
            for _ in 0..<64 {
                let before = messagesRead
                let result = mosquitto_loop_read(handle, 1)
                if result != MOSQ_ERR_SUCCESS.rawValue { return result }
                if messagesRead == before { break }
            }
        }
        if mosquitto_want_write(handle) {
            let result = mosquitto_loop_write(handle, 1)
            if result != MOSQ_ERR_SUCCESS.rawValue { return result }
        }
        return mosquitto_loop_misc(handle)
    }

    private func monotonicMilliseconds() -> Int64 { Int64(timeSource.monotonicNanoseconds / 1_000_000) }
}
