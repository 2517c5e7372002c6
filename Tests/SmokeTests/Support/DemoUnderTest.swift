import Foundation
import MQTT
import TestSupport

/// `stagebox demo --no-agent --retention off`, as a visitor starts it.
final class DemoUnderTest {
    struct Failure: Error, CustomStringConvertible { let description: String }
    private struct Access: Decodable {
        struct Tokens: Decodable { let admin: String }
        let url: String
        let tokens: Tokens
    }

    private let folder: TemporaryDirectory
    private let process: ProcessUnderTest
    let port: UInt16
    /// Of the demonstration's own tenant.
    let adminToken: String
    /// Of the whole installation.
    let rootToken: String

    init(_ label: String, options: [String] = ["--no-agent", "--retention", "off"]) throws {
        let folder = try TemporaryDirectory(label)
        let port = try FreePort.next()
        let data = folder.file("demo")
        let process = try ProcessUnderTest(
            [SmokePrograms.path("stagebox"), "demo", "--data-dir", data, "--http-port", "\(port)"] + options,
            output: folder.file("demo.log"))
        self.folder = folder
        self.port = port
        self.process = process
        var access: Access?
        let isReady = Waiting.until(withinSeconds: 90) {
            guard process.isRunning else { return true }
            // Not there yet, or half written.
            access = (try? Files.read("\(data)/access.json")).flatMap {
                try? JSONDecoder().decode(Access.self, from: Data($0))
            }
            return access != nil
        }
        guard isReady, let access else {
            let log = (try? Files.text(folder.file("demo.log"))) ?? ""
            process.terminate()
            throw Failure(description: "the demonstration does not come up: \(log)")
        }
        adminToken = access.tokens.admin
        let output = folder.file("token.txt")
        let maker = try ProcessUnderTest(
            [
                SmokePrograms.path("stagebox"), "token", "create", "--role", "admin", "--installation", "--data-dir",
                "\(data)/aggregator",
            ],
            output: output)
        guard maker.wait(upToSeconds: 60) == .code(0) else {
            process.terminate()
            throw Failure(description: "no token: \((try? Files.text(output)) ?? "")")
        }
        rootToken = try Files.text(output).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    deinit { stop() }

    /// Ends the whole tree.
    func stop() { process.terminate(withinSeconds: 30) }

    /// Speaks for the demonstration's tenant.
    var client: PrometheusClient {
        PrometheusClient(port: port, headers: [("Authorization", "Bearer \(adminToken)")])
    }
    /// Speaks for a tenant by the installation's token.
    func client(of tenant: String) -> PrometheusClient {
        PrometheusClient(
            port: port, headers: [("Authorization", "Bearer \(rootToken)")], parameters: [("tenant", tenant)])
    }
    func makeTenant(_ name: String) throws {
        let answer = try HTTPLoopback.send(
            "POST", "/api/v1/admin/tenants", headers: [("Authorization", "Bearer \(rootToken)")],
            body: Array("{\"name\":\"\(name)\"}".utf8), port: port)
        guard answer.status == 201 else { throw Failure(description: "tenant \(name): \(answer.text)") }
    }
}
