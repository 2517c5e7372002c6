import API
package import Access
import Glibc
import Ingest
package import Logging
import MQTT
import PromQL
package import RuntimeSupport
import Sealing
package import Store
package import Telemetry
import WireFormat

/// The whole central service, wired up. `run()` returns after SIGTERM or SIGINT.
package final class Aggregator: Sendable {
    package let configuration: AggregatorConfiguration
    package let access: AccessStore
    package let enrolment: EnrolmentService
    package let keys: KeyDirectory
    package let store: StoreDirectory
    package let metrics: OwnMetrics
    /// SHA-256 of the HTTP server's public key; nil without TLS.
    package let httpKeyHash: ID256?
    private let child: BrokerChild
    private let link: BrokerLink
    private let manifests: ManifestOffice
    private let commands: CommandOffice
    private let ingest: IngestService
    private let maintenance: Maintenance
    private let rules: RuleService
    private let fleet: FleetService?
    private let forwarding: ForwardService
    private let dependencies: APIDependencies
    private let api: APIConfiguration
    private let time: any TimeSource
    private let logger: Logger

    /// Opens or makes everything under the data directory.
    /// - Throws: an error that says which file, port or program is the matter.
    package static func make(
        configuration: AggregatorConfiguration, time: any TimeSource = SystemTimeSource(), logger: Logger
    ) throws -> Aggregator {
        try Aggregator(configuration, time, logger)
    }

    private init(_ configuration: AggregatorConfiguration, _ time: any TimeSource, _ logger: Logger) throws {
        self.configuration = configuration
        self.time = time
        self.logger = logger
        let root = configuration.dataDirectory
        let metrics = OwnMetrics()
        self.metrics = metrics
        mkdir(root, 0o700)
        let access = try AccessStore(path: "\(root)/access.sqlite", now: time.now)
        self.access = access
        for name in configuration.tenants {
            let tenant = try TenantID(validating: name)
            if try !access.hasTenant(tenant) { try access.createTenant(tenant, now: time.now) }
        }
        if let path = access.quarantinedPath {
            logger.error(
                "access.sqlite was damaged: no token is valid until new ones are made", metadata: ["kept_as": "\(path)"]
            )
        }
        let keys = try KeyDirectory(path: "\(root)/keys", now: time.now)
        self.keys = keys
        if let damage = keys.bundleDamage { logger.error("\(damage)") }
        let directory = AgentDirectory()
        try directory.reload(from: access)

        let certificates = try BrokerCertificates(directory: "\(root)/tls", hosts: configuration.certifiedHosts)
        let files = try BrokerFiles(
            BrokerConfiguration(
                directory: "\(root)/broker", address: configuration.brokerHost, port: configuration.brokerPort,
                hosts: configuration.certifiedHosts))
        try files.writeConfiguration(certificates)
        try files.write(access.brokerCredentials())
        let report: @Sendable (String) -> Void = { logger.warning("\($0)") }
        let child = BrokerChild(configurationPath: files.configurationPath, directory: files.configuration.directory) {
            switch $0 {
            case .started(let pid): logger.info("broker started", metadata: ["broker.pid": "\(pid)"])
            case .ended(let status, let wait):
                logger.warning("broker ended", metadata: ["status": "\(status)", "restart_ms": "\(wait)"])
            case .failed(let reason): logger.error("broker cannot start", metadata: ["reason": "\(reason)"])
            }
        }
        self.child = child

        let authority = try certificates.authority()
        let httpKeyHash = configuration.isHTTPTLS ? try certificates.serverKeyHash() : nil
        self.httpKeyHash = httpKeyHash
        let office = OfficeCell()
        let writeCredentials: @Sendable () throws -> Void = {
            if try files.write(access.brokerCredentials()) { child.reload() }
        }
        let enrolment = EnrolmentService(
            store: access, keys: keys, directory: directory,
            broker: EnrolmentService.Broker(
                host: configuration.brokerAddress?.host,
                port: configuration.brokerAddress?.port ?? configuration.brokerPort, isTLS: true,
                certificateAuthority: authority, certifiedHosts: configuration.certifiedHosts),
            tlsKeyHash: httpKeyHash, time: time,
            credentialsChanged: writeCredentials, joined: { try office.manifests?.join($0, $1, $2) })
        self.enrolment = enrolment

        var storeConfiguration = StoreConfiguration()
        storeConfiguration.retention = configuration.retention
        // Events are few beside samples, and what is computed from them looks back a year.
        storeConfiguration.eventsRetentionDays = max(400, configuration.retention.raw)
        let store = StoreDirectory(
            root: root, configuration: storeConfiguration, time: time, metrics: metrics,
            agentLabels: { tenant, agent in
                guard let certificate = directory.certificate(of: agent, tenant: tenant)?.certificate else { return [] }
                let labels = [
                    Label("job", certificate.job), Label("region", certificate.region), Label("site", certificate.site),
                ]
                return AgentLabels(labels.filter { !$0.value.isEmpty }, isRelay: certificate.isRelay)
            })
        self.store = store
        let limits = LimitsFile("\(root)/limits.conf")
        try limits.load(into: store)

        let records = FileKeyRecordStore(root: root)
        let live = LiveFeed()
        let cell = LinkCell()
        let ingest = IngestService(
            IngestService.Parts(
                store: store,
                opener: BatchOpener(
                    certificates: directory, keys: keys.keyRing, records: records,
                    bodies: WireBodyDecoder()),
                configuration: IngestConfiguration(aggregatorID: try Self.aggregatorID(root)),
                acknowledgementKey: keys.signer(.acknowledgement), live: live, metrics: metrics, time: time,
                report: report,
                openers: max(1, min(configuration.parallelWorkers, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))),
                canPublish: { cell.link?.canPublish ?? false },
                publish: { cell.link?.publish($0, $1) ?? false }, bundleVersion: { keys.bundleVersion },
                born: { agent, tenant, birth in
                    do { try enrolment.noteBirth(of: agent, tenant: tenant) } catch {
                        report("birth not noted: \(error)")
                    }
                    office.commands?.renew(agent, tenant, epoch: birth.runningEpoch)
                    office.manifests?.announce(agent, tenant)
                },
                configured: { agent, tenant, answer in
                    logger.info(
                        "manifest \(answer.attemptedVersion) \(answer.step)",
                        metadata: [
                            "agent": "\(tenant)/\(agent)", "running": "\(answer.runningVersion)",
                            "error": "\(answer.error)",
                        ])
                },
                answered: { agent, tenant, result in
                    logger.info(
                        "command \(result.outcome.name)",
                        metadata: ["agent": "\(tenant)/\(agent)", "command": "\(result.id)"])
                    office.commands?.note(result, of: agent, tenant)
                }))
        self.ingest = ingest
        let link = BrokerLink(
            options: TransportOptions(
                host: configuration.ownBrokerHost, port: configuration.brokerPort,
                tls: TransportOptions.TLS(certificateAuthorityPEM: authority), clientID: "stagebox-aggregator",
                user: BrokerFiles.aggregatorUser, password: files.aggregatorPassword, cleanStart: false,
                sessionExpirySeconds: 3600, inFlightMax: 4096),
            time: time, metrics: metrics, report: report,
            receive: { ingest.receive(topic: $0, payload: $1) })
        self.link = link
        cell.set(link)
        let manifests = ManifestOffice(
            files: ManifestFiles(dataDirectory: root), keys: keys, directory: directory,
            tenants: try access.tenants().map(\.name), time: time,
            hooks: ManifestOffice.Hooks(
                publishRetained: { link.publishRetained($0, $1) },
                desire: { version, agent, tenant in
                    do { try ingest.writer(of: tenant).setDesiredConfiguration(version, of: agent) } catch {
                        report("\(tenant)/\(agent) is not told of manifest \(version): \(error)")
                    }
                },
                setGroups: { groups, agent, tenant in
                    try access.setGroups(groups, of: agent, tenant: tenant)
                    try writeCredentials()
                }, report: report))
        self.manifests = manifests
        let commands = CommandOffice(
            access: access, enrolment: enrolment, keys: keys, directory: directory, time: time,
            publish: { link.publish($0, $1) }, report: report)
        self.commands = commands
        office.set(manifests, commands)
        maintenance = Maintenance(
            store: store, limits: limits, keys: keys, records: records, time: time, metrics: metrics,
            publishBundle: { link.publishRetained(Topics.keys, keys.signedBundle) }, report: report)
        let sources = StoreSources(
            store: store, directory: directory, time: time, running: { ingest.fleet(of: $0) },
            desired: { manifests.desired(of: $0, in: $1) }, writer: { try ingest.writer(of: $0) })
        let language: ParserOptions = configuration.allowsExperimentalQueries ? .all : .stable
        let rules = RuleService(
            root: root, language: language, time: time, metrics: metrics, sources: sources,
            // A tenant that cannot be listed now is found by the next look.
            tenants: { (try? access.tenants().map(\.name)) ?? [] }, report: report)
        self.rules = rules
        fleet =
            configuration.judgesFleet
            ? FleetService(
                store: store, sources: sources, time: time, metrics: metrics,
                // A tenant that cannot be listed now is looked at next minute.
                tenants: { (try? access.tenants().map(\.name)) ?? [] }, report: report) : nil
        forwarding = ForwardService(
            configuration.forwarding, store: store, time: time, metrics: metrics, report: report)
        var dependencies = APIDependencies(
            sources: sources, access: access,
            enrolment: enrolment, live: live, tickets: TicketOffice(), pool: BlockingPool(),
            readiness: { Readiness(problems: [link.problem].compactMap { $0 }) },
            publishManifest: { try manifests.publish($0, of: $1) },
            sendCommand: { try commands.send($0, to: $1, of: $2) })
        dependencies.queryPool = BlockingPool(threads: 8)
        dependencies.pushPool = BlockingPool(threads: 8)
        dependencies.now = { time.now }
        dependencies.rules = { rules.standing(of: $0) }
        dependencies.reloadRules = { rules.reload() }
        self.dependencies = dependencies
        var api = APIConfiguration(
            host: configuration.httpHost, port: configuration.httpPort,
            tls: configuration.isHTTPTLS ? (certificates.certificatePath, certificates.keyPath) : nil,
            webRoot: configuration.webRoot)
        api.language = language
        api.version = ProgramVersion.current
        self.api = api
    }

    /// Names this installation in acknowledgements; made once.
    private static func aggregatorID(_ root: String) throws -> ID128 {
        let path = "\(root)/aggregator.id"
        if let text = try? String(readingFile: path), let id = ID128(hexadecimal: text) { return id }
        var generator = SecureGenerator()
        let id = ID128(random: &generator)
        try id.description.write(toFile: path)
        return id
    }

    /// Serves until the process is told to end. Data stops flowing in its own order: HTTP, broker, ingest, store.
    /// - Parameters:
    ///   - onRunning: gets the HTTP port once it listens.
    ///   - heartbeat: called that often as long as every tenant's writer answers.
    package func run(
        onRunning: @escaping @Sendable (Int) -> Void = { _ in },
        heartbeat: (everyMilliseconds: Int64, beat: @Sendable () -> Void)? = nil
    ) async throws {
        try child.start()
        ingest.start()
        link.publishRetained(Topics.keys, keys.signedBundle)
        manifests.publishAll()
        link.start()
        let maintenanceThread = maintenance.start()
        let rulesThread = rules.start()
        let fleetThread = fleet?.start()
        forwarding.start()
        let hangup = HangupSignal { [rules] in rules.reload() }
        defer { hangup.stop() }
        let pulse = heartbeat.map { heartbeat in
            Pulse(everyMilliseconds: heartbeat.everyMilliseconds) { [ingest] in
                if ingest.isAlive { heartbeat.beat() }
            }
        }
        defer { pulse?.stop() }
        let server = try APIServer(
            dependencies, configuration: api, metrics: metrics, time: time, logger: logger, onRunning: onRunning)
        var failure: (any Error)?
        do { try await server.runUntilSignalled() } catch { failure = error }
        link.stop()
        rules.stop()
        fleet?.stop()
        rulesThread.join()
        fleetThread?.join()
        ingest.stop()
        maintenance.stop()
        maintenanceThread.join()
        forwarding.stop()
        store.closeAll()
        child.stop()
        if let failure { throw failure }
    }
}
