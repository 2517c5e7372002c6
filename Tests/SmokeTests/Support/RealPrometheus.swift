import MQTT
import TestSupport

/// Debian's Prometheus with its remote write receiver, in a folder of its own.
final class RealPrometheus {
    struct Failure: Error, CustomStringConvertible { let description: String }
    static let path = "/usr/bin/prometheus"
    static let isThere = Files.isExecutable(path)

    private let folder: TemporaryDirectory
    private var process: ProcessUnderTest?
    private let options: [String]
    let port: UInt16
    var client: PrometheusClient { PrometheusClient(port: port) }

    /// - Parameter configuration: YAML.
    init(configuration: String = "global: {}\n", options: [String] = []) throws {
        folder = try TemporaryDirectory("prometheus")
        port = try FreePort.next()
        self.options = options
        try Files.write(Array(configuration.utf8), to: folder.file("prometheus.yml"))
        try start()
    }

    /// Again after ``stop()``, on the same data. Returns when it is ready.
    func start() throws {
        let process = try ProcessUnderTest(
            [
                Self.path, "--config.file=\(folder.file("prometheus.yml"))",
                "--storage.tsdb.path=\(folder.file("data"))", "--storage.tsdb.retention.time=100y",
                "--web.listen-address=127.0.0.1:\(port)", "--web.enable-remote-write-receiver", "--log.level=warn",
            ] + options, output: folder.file("log"))
        self.process = process
        let port = port
        let isReady = Waiting.until(withinSeconds: 60) {
            process.isRunning && (try? HTTPLoopback.send("GET", "/-/ready", port: port).status) == 200
        }
        guard isReady else {
            process.killNow()
            throw Failure(description: "prometheus is not ready: \((try? Files.text(folder.file("log"))) ?? "")")
        }
    }

    deinit { stop() }

    /// SIGKILL.
    func stop() { process?.killNow() }
}
