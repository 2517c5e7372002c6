import API
import Access
import Logging
import RuntimeSupport
import Synchronization
import Telemetry
import TestSupport
import WireFormat

/// The real server on a free loopback port over invented sources.
final class TestServer: Sendable {
    static let acme = TenantID(unchecked: "acme")
    static let other = TenantID(unchecked: "other")

    let directory: TemporaryDirectory
    let time = ManualTimeSource()
    let access: AccessStore
    let keys: KeyDirectory
    let enrolment: EnrolmentService
    let sources: FakeSources
    let dependencies: APIDependencies
    let configuration: APIConfiguration
    let metrics = OwnMetrics()
    let published = Mutex<[(tenant: TenantID, record: [UInt8])]>([])
    let readiness = Mutex(Readiness())
    /// By `role@tenant`; `root` is the installation's.
    let tokens: [String: String]
    private let clients = BlockingPool(threads: 2)
    private let port = Mutex(0)

    init(_ tenants: [TenantID: FakeSources.Tenant] = [:], webRoot: String? = nil, tls: Bool = false, loops: Int? = nil)
        throws
    {
        directory = try TemporaryDirectory("api")
        access = try AccessStore(path: directory.file("access.sqlite"), now: time.now)
        keys = try KeyDirectory(path: directory.file("keys"), now: time.now)
        var all: [TenantID: FakeSources.Tenant] = [Self.acme: .init(), Self.other: .init()]
        all.merge(tenants) { $1 }
        sources = FakeSources(all)
        var tokens: [String: String] = [:]
        tokens["root"] = try access.createToken(role: .admin, tenant: nil, now: time.now).token.text
        for tenant in [Self.acme, Self.other] {
            try access.createTenant(tenant, now: time.now)
            for role in Role.allCases {
                tokens["\(role.rawValue)@\(tenant)"] = try access.createToken(role: role, tenant: tenant, now: time.now)
                    .token.text
            }
        }
        self.tokens = tokens
        enrolment = EnrolmentService(
            store: access, keys: keys, directory: AgentDirectory(),
            broker: .init(host: "127.0.0.1", port: 1883, isTLS: false, certificateAuthority: ""), tlsKeyHash: nil,
            time: time, credentialsChanged: {})
        var configuration = APIConfiguration(port: 0, webRoot: webRoot, enrolmentsPerSecond: 1)
        configuration.loops = loops
        if tls {
            let certificates = try BrokerCertificates(
                directory: directory.file("tls"), hosts: ["localhost", "127.0.0.1"])
            configuration.tls = (certificates.certificatePath, certificates.keyPath)
        }
        self.configuration = configuration
        let box = Late()
        dependencies = APIDependencies(
            sources: sources, access: access, enrolment: enrolment, live: LiveFeed(), tickets: TicketOffice(),
            pool: BlockingPool(threads: 2), readiness: { box.server?.readiness.withLock { $0 } ?? Readiness() },
            publishManifest: { record, tenant in
                guard let envelope = try? SignedEnvelope(decoding: record), envelope.kind == .manifest else {
                    throw AccessError(.invalid, "not a signed manifest")
                }
                box.server?.published.withLock { $0.append((tenant, record)) }
                return 7
            },
            sendCommand: { record, _, _ in
                guard let envelope = try? SignedEnvelope(decoding: record), envelope.kind == .command else {
                    throw AccessError(.invalid, "not a signed command")
                }
                return try Command(decoding: envelope.body).id
            })
        box.server = self
    }
    /// `@unchecked Sendable`: set once, before anything runs.
    private final class Late: @unchecked Sendable { weak var server: TestServer? }

    func router() throws {
        _ = try makeRouter(dependencies, configuration: configuration, metrics: metrics, time: time)
    }
    func application(host: String) throws {
        _ = try APIServer(
            dependencies, configuration: APIConfiguration(host: host), metrics: metrics, time: time,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Runs the server while `body` runs.
    func run<Value: Sendable>(_ body: @Sendable (TestServer) async throws -> Value) async throws -> Value {
        let (running, continuation) = AsyncStream.makeStream(of: Int.self)
        let application = try APIServer(
            dependencies, configuration: configuration, metrics: metrics, time: time,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onRunning: { continuation.yield($0) })
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await application.run()
            }
            for await port in running {
                self.port.withLock { $0 = port }
                break
            }
            let value: Value
            do { value = try await body(self) } catch {
                group.cancelAll()
                dependencies.live.close()
                throw error
            }
            dependencies.live.close()
            group.cancelAll()
            return value
        }
    }

    var listeningPort: Int { port.withLock { $0 } }

    /// One request on a connection of its own.
    func ask(
        _ method: String, _ target: String, as who: String? = nil, body: [UInt8] = [], headers: [String] = []
    ) async throws -> LoopbackAnswer {
        let token = who.map { tokens[$0] ?? $0 }
        let port = listeningPort
        return try await clients.run {
            let connection = try LoopbackConnection(port: port)
            try connection.send(method, target, token: token, headers: headers, body: body)
            return try connection.receive(isHead: method == "HEAD")
        }
    }
    func ask(_ method: String, _ target: String, as who: String? = nil, text: String) async throws -> LoopbackAnswer {
        try await ask(method, target, as: who, body: Array(text.utf8))
    }
    /// Runs blocking client code on a thread of its own.
    func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await clients.run(body)
    }
}
