import Collectors
import Glibc
import RuntimeSupport
import Synchronization
import Telemetry
import TestSupport
import Testing

/// The agent's collectors beside Debian's prometheus-node-exporter on this machine.
@Suite("Collectors beside node_exporter", .serialized, .ownThread)
struct NodeExporterComparisonTests {
    private static let program = "/usr/bin/prometheus-node-exporter"

    @Test(
        "families that both have carry equal label sets and types, and counters lie between our reads",
        .enabled(if: Files.isExecutable(program), "prometheus-node-exporter is not installed"))
    func comparison() throws {
        let port = try FreePort.next()
        let exporter = try ProcessUnderTest([Self.program, "--web.listen-address=127.0.0.1:\(port)"])
        defer { exporter.killNow() }
        try #require(Waiting.until(withinSeconds: 20) { FreePort.isListening(port) }, "node_exporter does not listen")
        // Its first scrape opens what it keeps open.
        _ = try LoopbackHTTP.get(port: port, path: "/metrics")

        let machine = LiveMachine()
        let before = machine.collect()
        let exposition = Exposition(try LoopbackHTTP.get(port: port, path: "/metrics"))
        let after = machine.collect()

        let ourFamilies = Dictionary(grouping: before.keys.filter { after[$0] != nil }, by: \.name)
        var families = 0
        var series = 0
        for (family, theirs) in exposition.families where family.hasPrefix("node_") {
            guard let ours = ourFamilies[family] else { continue }
            families += 1
            #expect(Set(ours) == Set(theirs.keys), "label sets of \(family)")
            for (key, value) in theirs {
                guard let first = before[key], let last = after[key] else { continue }
                series += 1
                #expect(first.type == exposition.types[family], "type of \(family)")
                guard first.type == .counter else { continue }
                // Times are divided by us and multiplied by node_exporter: the last bit may differ. The kernel's
                // idle and iowait times may step back by a tick or so, which each side holds on its own.
                let slack = family == "node_cpu_seconds_total" ? 0.05 : 1e-9 * max(1, value)
                #expect(
                    first.value <= value + slack && value <= last.value + slack,
                    "\(key): \(first.value) \(value) \(last.value)")
            }
        }
        print("compared \(families) families, \(series) series; only node_exporter:", missing(exposition, ourFamilies))
        #expect(families > 150)
        #expect(series > 300)
    }

    private func missing(_ exposition: Exposition, _ ours: [String: [SeriesKey]]) -> String {
        exposition.families.keys
            .filter { $0.hasPrefix("node_") && !$0.hasPrefix("node_scrape_") && ours[$0] == nil }.sorted()
            .joined(separator: " ")
    }
}

/// All default collectors on this machine, run by hand.
private final class LiveMachine {
    struct Reading {
        var value: Double
        var type: MetricType
    }
    private final class Box: Sendable {
        let kept = Mutex((scrapes: [Scrape](), descriptors: [SeriesDescriptor]()))
    }
    private let time = ManualTimeSource(now: SystemTimeSource().now)
    private let box = Box()
    private let runner: CollectorRunner

    init() {
        let box = box
        runner = CollectorRunner(collectors: DefaultCollectors.make(), time: time) { scrape in
            box.kept.withLock {
                $0.scrapes.append(scrape)
                $0.descriptors += scrape.newDescriptors
            }
            return true
        }
    }

    /// Everything, at the next instant at which all collectors are due.
    func collect() -> [SeriesKey: Reading] {
        box.kept.withLock { $0.scrapes = [] }
        time.advance(milliseconds: 300_000 - time.now.milliseconds % 300_000)
        runner.collectDueNow()
        return box.kept.withLock { kept in
            var readings: [SeriesKey: Reading] = [:]
            for scrape in kept.scrapes {
                for (handle, value) in zip(scrape.handles, scrape.values) {
                    let descriptor = kept.descriptors[Int(handle)]
                    readings[descriptor.key] = Reading(value: value, type: descriptor.type)
                }
            }
            return readings
        }
    }
}

/// Prometheus's text format, as far as node_exporter writes it.
private struct Exposition {
    private(set) var families: [String: [SeriesKey: Double]] = [:]
    private(set) var types: [String: MetricType] = [:]

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                let words = line.split(separator: " ")
                let known: [Substring: MetricType] = ["counter": .counter, "gauge": .gauge, "untyped": .unknown]
                if words.count == 4 { types[String(words[2])] = known[words[3]] }
                continue
            }
            guard !line.hasPrefix("#"), let blank = line.lastIndex(of: " "),
                let value = Double(line[line.index(after: blank)...])
            else { continue }
            let series = line[..<blank]
            let name = String(series.prefix { $0 != "{" })
            let key = SeriesKey(name: name, labels: Self.labels(series.dropFirst(name.count)))
            families[name, default: [:]][key] = value
        }
    }

    /// `{a="b",c="d"}` with `\"`, `\\` and `\n` escaped.
    private static func labels(_ text: Substring) -> [Label] {
        var labels: [Label] = []
        var rest = text.dropFirst()
        while let equals = rest.firstIndex(of: "=") {
            let name = String(rest[..<equals])
            rest = rest[equals...].dropFirst(2)
            var value = ""
            while let character = rest.popFirst(), character != "\"" {
                guard character == "\\", let escaped = rest.popFirst() else {
                    value.append(character)
                    continue
                }
                value.append(escaped == "n" ? "\n" : escaped)
            }
            labels.append(Label(name, value))
            if rest.first == "," { rest = rest.dropFirst() }
        }
        return labels
    }
}

/// The least of HTTP that fetches a page from this machine.
private enum LoopbackHTTP {
    /// The body of a GET without keep-alive.
    static func get(port: UInt16, path: String) throws -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("socket") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw SystemError("connect to port \(port)") }
        let request = Array("GET \(path) HTTP/1.0\r\nHost: localhost\r\n\r\n".utf8)
        guard write(descriptor, request, request.count) == request.count else { throw SystemError("write") }
        var response: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            guard count >= 0 else { throw SystemError("read") }
            if count == 0 { break }
            response += chunk.prefix(count)
        }
        let text = String(decoding: response, as: UTF8.self)
        guard text.hasPrefix("HTTP/1."), let body = text.split(separator: "\r\n\r\n", maxSplits: 1).last else {
            throw SystemError("an HTTP answer from port \(port)", code: EPROTO)
        }
        return String(body)
    }
}
