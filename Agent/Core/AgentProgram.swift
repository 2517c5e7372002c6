import Actions
import Buffer
import Collectors
import Control
import Glibc
import Intake
import MQTT
import RuntimeSupport
import Sealing
import Telemetry
import WireFormat

/// The agent as it runs on a node: collectors, intake and transport around one ``AgentEngine``.
///
/// Threads: collectors (two), intake (one), libmosquitto (one), sources (one, if any is on), and the caller of ``run()``, which is the engine's.
package final class AgentProgram {
    package static let version = ProgramVersion.current
    /// Inputs that wait for the engine; beyond it scrapes are dropped (counted) and intakes answered with 429.
    static let mailboxItemsMax = 16_384
    /// Of what they hold. Messages of a broker may be 256 KiB each.
    static let mailboxBytesMax = 48 << 20
    /// Room that only signals and the connection's own events take: none of these may be lost.
    static let mailboxReserve = 1024

    private let configuration: AgentConfiguration
    private let time = SystemTimeSource()
    private let metrics = OwnMetrics()
    private let mailbox = Mailbox()
    private let report: @Sendable (AgentReport) -> Void
    private var actions: ActionRunner?

    private init(_ configuration: AgentConfiguration, _ report: @escaping @Sendable (AgentReport) -> Void) {
        self.configuration = configuration
        self.report = report
    }

    package static func make(
        configuration: AgentConfiguration, report: @escaping @Sendable (AgentReport) -> Void
    ) -> AgentProgram {
        AgentProgram(configuration, report)
    }

    /// From any thread: SIGTERM.
    package var stop: @Sendable () -> Void {
        let mailbox = mailbox
        return { _ = mailbox.pushReserved(.stop) }
    }

    /// From any thread: SIGHUP.
    package var reload: @Sendable () -> Void {
        let mailbox = mailbox
        return { _ = mailbox.pushReserved(.reload) }
    }

    package enum Failure: Error, CustomStringConvertible {
        case notEnrolled(String)
        package var description: String {
            switch self {
            case .notEnrolled(let path):
                "this node is not enrolled (no \(path)): run \"stagebox-agent enrol URL TOKEN\" first"
            }
        }
    }

    /// Runs until told to stop.
    /// - Parameter onRunning: called once everything is up.
    package func run(onRunning: (_ intakePort: Int) -> Void, heartbeat: () -> Void) throws {
        let identityFile = try IdentityFile(configuration)
        guard var identity = try identityFile.read() else { throw Failure.notEnrolled(configuration.identityPath) }
        if identity.fillInPseudonymKey() { try identityFile.write(identity) }
        if identity.pseudonymKeyVersion == AgentIdentity.ownPseudonyms {
            report(.uplink("users' pseudonyms are this node's own: its enrolment brought no key of the tenant"))
        }
        let (roots, metrics) = (CollectorRoots(proc: configuration.procRoot, sys: configuration.sysRoot), metrics)
        let collectors = { DefaultCollectors.make(roots: roots) + [OwnMetricsCollector(metrics) as any Collector] }
        let runner = CollectorRunner(
            collectors: collectors(), time: time, remake: collectors,
            deliver: { [mailbox] in mailbox.push(.scrape($0), bytes: $0.values.count * 8) })
        let sources = SourceControl(
            time: time, metrics: metrics, report: report,
            deliver: { [mailbox] in mailbox.push(.source($0), bytes: $0.scrape.values.count * 20) })
        let pseudonyms = PseudonymCell(
            try PseudonymKey(bytes: identity.pseudonymKey, version: identity.pseudonymKeyVersion))
        var hooks = hooks(CollectorControl(runner: runner), sources)
        hooks.pseudonymKey = { pseudonyms.replace($0) }
        let engine = try makeEngine(identity, identityFile, sources, hooks)
        let intake = try startIntake(pseudonyms, relay: identity.isRelay ? identity.agent.rawValue : nil)
        defer { actions?.stop() }
        runner.start()
        onRunning(intake.port)
        while !engine.isStopped {
            let wait = engine.nextDeadlineMilliseconds - Int64(time.monotonicNanoseconds / 1_000_000)
            for input in mailbox.pop(max: 256, waitMilliseconds: max(0, min(wait, 5000))) {
                // The sources' last reports come before the last flush.
                if case .stop = input, sources.stop(), mailbox.pushReserved(.stop) { continue }
                engine.handle(input)
            }
            engine.advance()
            heartbeat()
            if engine.isStopping { runner.stop() }
        }
        _ = sources.stop()
        runner.stop()
        mailbox.close()
        // Whoever still waits for an answer gets one.
        for case .submission(let submission) in mailbox.pop(max: .max, waitMilliseconds: 0) {
            submission.reply(.failed(reason: "the agent is stopping"))
        }
        intake.stop()
    }

    private func makeEngine(
        _ identity: AgentIdentity, _ file: IdentityFile, _ sources: SourceControl, _ hooks: ControlHooks
    ) throws -> AgentEngine {
        let buffer = try Buffer(
            path: configuration.bufferPath,
            configuration: BufferConfiguration(
                bytesMax: configuration.bufferBytesMax,
                // Whoever hands samples on to a relay keeps them no longer once they are taken.
                syncIntervalMilliseconds: configuration.isDurabilityFull || identity.isRelay ? 0 : 5000), time: time,
            generator: SecureGenerator())
        if let risk = StorageRisk.find(directory: configuration.dataDirectory, procRoot: configuration.procRoot) {
            report(.storageRisk(risk))
        }
        // A place that cannot be read is one that is not known.
        sources.kept = { key in try? buffer.value(key) }
        let mailbox = mailbox
        let (metrics, time) = (metrics, time)
        let transport = MosquittoClient(timeSource: time) { event in
            guard case .message(_, let payload, _) = event else {
                _ = mailbox.pushReserved(.transport(event))
                return
            }
            // Whoever sent it says it again.
            if !mailbox.push(.transport(event), bytes: payload.count) {
                metrics.add("stagebox_agent_messages_refused_total", 1, "reason", "queue-full")
            }
        }
        var generator = SecureGenerator()
        let clock = Clock(procRoot: configuration.procRoot)
        let report = report
        var engineConfiguration = EngineConfiguration()
        engineConfiguration.settings = configuration.settings
        let findings = try FindingLog(configuration)
        var parts = AgentEngine.Parts(
            identity: identity,
            configuration: engineConfiguration, buffer: buffer,
            transport: transport, time: time, seed: generator.next(), clock: { clock.reading() }, metrics: metrics,
            version: Self.version,
            persist: { identity in
                do { try file.write(identity) } catch {
                    report(.uplink("the identity could not be kept: \(error)"))
                }
            }, report: { report($0) }, control: hooks)
        parts.findings = findings.read()
        let runner = ActionRunner(time: time, agent: identity.agent) { outcome in
            _ = mailbox.pushReserved(.action(outcome))
        }
        actions = runner
        parts.act = { runner.start($0) }
        let outcomes = try ActionLog(configuration)
        parts.keepActions = { added in
            do { try outcomes.add(added) } catch { report(.rowsNotStored("the file of actions: \(error)")) }
        }
        parts.keepFindings = { added in
            do { try findings.add(added) } catch { report(.rowsNotStored("the file of findings: \(error)")) }
        }
        let models = try file.models
        // What does not open is learnt anew.
        parts.models = (try? models.read()).flatMap { $0 }
        parts.keepModels = { bytes in
            guard bytes.count <= NodeDetection.modelBytesMax else { return }
            do { try models.write(bytes) } catch { report(.detection("what was learnt is not kept: \(error)")) }
        }
        return try AgentEngine(parts)
    }

    private func hooks(_ collectors: CollectorControl, _ sources: SourceControl) -> ControlHooks {
        let configuration = configuration
        var hooks = ControlHooks(
            reload: {
                let fresh = try configuration.reload?() ?? configuration
                return ControlHooks.NodeSettings(settings: fresh.settings, guardLimits: fresh.guardLimits)
            },
            apply: { settings in
                if let problem = collectors.apply(settings) { return problem }
                sources.apply(settings.sources)
                return nil
            }, ownUse: { OwnUse.now() }, collectors: collectors.names)
        let (mailbox, time) = (mailbox, time)
        hooks.dryRun = { bodies, version in
            DryRun.start(bodies, options: configuration.options, time: time) { problem in
                _ = mailbox.pushReserved(.dryRun(version: version, problem: problem))
            }
        }
        return hooks
    }

    private func startIntake(_ pseudonyms: PseudonymCell, relay: String?) throws -> IntakeServer {
        var settings = IntakeServerConfiguration()
        settings.host = configuration.intakeHost
        settings.port = configuration.intakePort ?? 0
        settings.socketPath = configuration.intakeSocketPath
        settings.recordsMax = configuration.intakeRecordsMax
        settings.connectionsMax = configuration.settings.intakeConnectionsMax
        let (mailbox, metrics, time) = (mailbox, metrics, time)
        var hooks = IntakeServerHooks(
            eventParser: pseudonyms.eventParser, listenParser: pseudonyms.listenParser,
            now: { time.now }, submit: { mailbox.push(.submission($0), bytes: $0.memoryBytes) },
            metricsText: { MetricsText.render(metrics.readings()) })
        hooks.relay = relay
        hooks.observe = { route, _, _, refused in
            guard refused > 0 else { return }
            metrics.add("stagebox_agent_intake_refused_total", Double(refused), "route", "\(route)")
        }
        return try IntakeServer.start(settings, hooks)
    }
}
