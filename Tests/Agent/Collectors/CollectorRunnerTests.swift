import Collectors
import Glibc
import RuntimeSupport
import Synchronization
import Telemetry
import TestSupport
import Testing

/// A collector that does as it is told.
private struct ToldCollector: Collector {
    let name: String
    var defaultIntervalMilliseconds: Int64 = 1000
    let body: @Sendable (inout ScrapeSink) throws(CollectorError) -> Void
    mutating func collect(into sink: inout ScrapeSink) throws(CollectorError) {
        sink.append(sink.gauge("before_\(name)"), 1.0)
        try body(&sink)
    }
}

/// Lets a thread wait until another one opens it.
private final class Gate: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init() { sem_init(semaphore, 0, 0) }
    func open() { sem_post(semaphore) }
    func pass() { while sem_wait(semaphore) != 0 {} }
    deinit { semaphore.deallocate() }
}

@Suite("The collectors' runner", .ownThread)
struct CollectorRunnerTests {
    private func plain(_ name: String, interval: Int64 = 1000) -> ToldCollector {
        ToldCollector(name: name, defaultIntervalMilliseconds: interval) { (_) throws(CollectorError) in }
    }

    @Test("collectors of one interval share a scrape, all of a tick its timestamp")
    func timelines() {
        let machine = FixtureMachine([plain("a"), plain("b", interval: 10_000), plain("c")])
        machine.tick(milliseconds: 10_000)
        let scrapes = machine.scrapes
        #expect(Set(scrapes.map(\.timestamp)).count == 1)
        #expect(
            scrapes.first { $0.intervalMilliseconds == 1000 }.map { machine.readings(of: $0).map(\.name) } == [
                "before_a", "before_c",
            ])
        #expect(
            scrapes.first { $0.intervalMilliseconds == 10_000 }.map { machine.readings(of: $0).map(\.name).last }
                == "before_b")
    }

    @Test("an unchanged tick shares its layout and hands over no descriptors")
    func layout() {
        let machine = FixtureMachine([plain("a"), plain("b")])
        for _ in 0..<3 { machine.tick(milliseconds: 1000) }
        let scrapes = machine.scrapes.filter { $0.intervalMilliseconds == 1000 }
        #expect(scrapes.count == 3)
        #expect(Set(scrapes.map(\.layout)).count == 1)
        #expect(scrapes.dropFirst().allSatisfy { $0.newDescriptors.isEmpty })
    }

    @Test("a collector that throws is reported, what it had appended is dropped, the others are not disturbed")
    func failing() {
        let broken = ToldCollector(name: "broken") { (_) throws(CollectorError) in throw .malformed("/proc/x") }
        let machine = FixtureMachine([broken, plain("a")])
        machine.tick(milliseconds: 1000)
        let scrape = machine.scrapes.first { $0.intervalMilliseconds == 1000 }
        #expect(scrape?.failures == [CollectorFailure(collector: "broken", reason: .failed(.malformed("/proc/x")))])
        #expect(scrape.map { machine.readings(of: $0).map(\.name) } == ["before_a"])
        machine.tick(milliseconds: 10_000)
        #expect(machine.readings["stagebox_agent_collector_failures_total{collector=\"broken\"}"]?.value == 1)
        #expect(machine.readings["stagebox_agent_collector_up{collector=\"broken\"}"]?.value == 0)
        #expect(machine.readings["stagebox_agent_collector_up{collector=\"a\"}"]?.value == 1)
    }

    @Test("a refused scrape costs its values but never its descriptors")
    func refused() {
        let machine = FixtureMachine([plain("a")])
        machine.accept(false)
        machine.tick(milliseconds: 1000)
        machine.accept(true)
        machine.tick(milliseconds: 1000)
        #expect(machine.readings["before_a"]?.value == 1)
        #expect(machine.runner.refusedScrapeCount >= 1)
    }

    @Test("a collector that hangs is given up with its thread; the others' values of that tick are delivered")
    func hanging() {
        let entered = Gate()
        let release = Gate()
        let left = Gate()
        let isStuck = Mutex(true)
        let stuck = ToldCollector(name: "stuck") { (_) throws(CollectorError) in
            guard isStuck.withLock({ $0 }) else { return }
            entered.open()
            release.pass()
        }
        let machine = FixtureMachine([plain("a"), stuck, plain("b")])
        let thread = SideThread {
            machine.tick(milliseconds: 1000)
            left.open()
        }
        entered.pass()
        // Nothing is given up before the timeout.
        #expect(!machine.runner.superviseOnce())
        machine.time.advance(milliseconds: 2500)
        #expect(machine.runner.superviseOnce())
        let scrape = machine.scrapes.last
        #expect(scrape?.failures == [CollectorFailure(collector: "stuck", reason: .hung)])
        #expect(scrape.map { machine.readings(of: $0).map(\.name) } == ["before_a"])

        // A successor goes on with the rest.
        machine.forget()
        machine.tick(milliseconds: 1000)
        #expect(
            machine.scrapes.first { $0.intervalMilliseconds == 1000 }.map { machine.readings(of: $0).map(\.name) } == [
                "before_a", "before_b",
            ])

        // The old thread comes back: its values are void, and the collector is tried again.
        isStuck.withLock { $0 = false }
        release.open()
        left.pass()
        thread.join()
        machine.forget()
        machine.time.advance(milliseconds: 60_000)
        machine.tick(milliseconds: 1000)
        #expect(machine.readings["before_stuck"]?.value == 1)
        #expect(machine.runner.entries.first { $0.name == "stuck" }?.hangs == 1)
    }

    @Test("a mount that never answers has a device error and holds up nobody")
    func deadMount() throws {
        let release = Gate()
        let roots = CollectorRoots(below: FixtureMachine.root + "/machine")
        let collector = FilesystemCollector(roots: roots) { path in
            if path == "/srv/dead" { release.pass() }
            return FilesystemUsage(sizeBytes: 1, freeBytes: 1, availableBytes: 1, files: 1, filesFree: 1)
        }
        let machine = FixtureMachine([collector])
        for _ in 0..<3 { machine.tick(milliseconds: 10_000) }
        let labels = "{device=\"media.example:/export\",fstype=\"nfs4\",mountpoint=\"/srv/dead\"}"
        #expect(machine.readings["node_filesystem_device_error" + labels]?.value == 1)
        #expect(machine.readings["node_filesystem_size_bytes" + labels] == nil)
        #expect(
            machine.readings["node_filesystem_size_bytes{device=\"/dev/vda\",fstype=\"ext4\",mountpoint=\"/\"}"]?.value
                == 1)
        release.open()
    }

    @Test("started and stopped, the threads end")
    func threads() {
        let machine = FixtureMachine([plain("a")])
        machine.runner.start()
        machine.runner.stop()
    }
}

/// A joinable thread for a test.
private final class SideThread: @unchecked Sendable {
    private var identifier = pthread_t()
    init(_ body: @escaping @Sendable () -> Void) {
        let argument = Unmanaged.passRetained(Body(body)).toOpaque()
        pthread_create(
            &identifier, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
    }
    func join() { pthread_join(identifier, nil) }
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
