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

    private let configuration: AgentConfiguration
    private let time = SystemTimeSource()
    private let metrics = OwnMetrics()
    private let mailbox = BoundedQueue<AgentInput>(itemsMax: AgentProgram.mailboxItemsMax)
    private let report: @Sendable (AgentReport) -> Void

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
        return { _ = mailbox.push(.stop) }
    }

    /// From any thread: SIGHUP.
    package var reload: @Sendable () -> Void {
        let mailbox = mailbox
        return { _ = mailbox.push(.reload) }
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
            deliver: { [mailbox] in mailbox.push(.scrape($0)) })
        let sources = SourceControl(
            time: time, metrics: metrics, report: report, deliver: { [mailbox] in mailbox.push(.source($0)) })
        let engine = try makeEngine(identity, identityFile, CollectorControl(runner: runner), sources)
        let intake = try startIntake(identity)
        runner.start()
        onRunning(intake.port)
        while !engine.isStopped {
            let wait = engine.nextDeadlineMilliseconds - Int64(time.monotonicNanoseconds / 1_000_000)
            for input in mailbox.pop(max: 256, waitMilliseconds: max(0, min(wait, 5000))) {
                // The sources' last reports come before the last flush.
                if case .stop = input, sources.stop(), mailbox.push(.stop) { continue }
                engine.handle(input)
            }
            engine.advance()
            heartbeat()
            if engine.isStopping { runner.stop() }
        }
        _ = sources.stop()
        runner.stop()
        intake.stop()
        mailbox.close()
    }

    private func makeEngine(
        _ identity: AgentIdentity, _ file: IdentityFile, _ collectors: CollectorControl, _ sources: SourceControl
    ) throws -> AgentEngine {
        let buffer = try Buffer(
            path: configuration.bufferPath,
            configuration: BufferConfiguration(
                bytesMax: configuration.bufferBytesMax,
                syncIntervalMilliseconds: configuration.isDurabilityFull ? 0 : 5000), time: time,
            generator: SecureGenerator())
        if let risk = StorageRisk.find(directory: configuration.dataDirectory, procRoot: configuration.procRoot) {
            report(.storageRisk(risk))
        }
        // A place that cannot be read is one that is not known.
        sources.kept = { key in try? buffer.value(key) }
        let mailbox = mailbox
        let transport = MosquittoClient(timeSource: time) { event in
            // The engine drains its mailbox faster than a broker fills it; a full one means it is stuck on the disk.
            _ = mailbox.push(.transport(event))
        }
        var generator = SecureGenerator()
        let clock = Clock(procRoot: configuration.procRoot)
        let report = report
        var engineConfiguration = EngineConfiguration()
        engineConfiguration.settings = configuration.settings
        return try AgentEngine(
            AgentEngine.Parts(
                identity: identity,
                configuration: engineConfiguration, buffer: buffer,
                transport: transport, time: time, seed: generator.next(), clock: { clock.reading() }, metrics: metrics,
                version: Self.version,
                persist: { identity in
                    do { try file.write(identity) } catch {
                        report(.uplink("the identity could not be kept: \(error)"))
                    }
                }, report: { report($0) }, control: hooks(collectors, sources)))
    }

    private func hooks(_ collectors: CollectorControl, _ sources: SourceControl) -> ControlHooks {
        let configuration = configuration
        return ControlHooks(
            reload: {
                let fresh = try configuration.reload?() ?? configuration
                return ControlHooks.NodeSettings(settings: fresh.settings, guardLimits: fresh.guardLimits)
            },
            apply: { settings in
                if let problem = collectors.apply(settings) { return problem }
                sources.apply(settings.sources)
                return nil
            }, ownUse: { OwnUse.now() }, collectors: collectors.names)
    }

    private func startIntake(_ identity: AgentIdentity) throws -> IntakeServer {
        let pseudonyms = try PseudonymKey(bytes: identity.pseudonymKey, version: identity.pseudonymKeyVersion)
        var settings = IntakeServerConfiguration()
        settings.host = configuration.intakeHost
        settings.port = configuration.intakePort ?? 0
        settings.socketPath = configuration.intakeSocketPath
        settings.recordsMax = configuration.intakeRecordsMax
        let pseudonymise: Pseudonymise = { pseudonyms.pseudonym(of: String(decoding: $0, as: UTF8.self)) }
        let (mailbox, metrics, time) = (mailbox, metrics, time)
        let hooks = IntakeServerHooks(
            eventParser: EventParser(pseudonymVersion: pseudonyms.version, pseudonymise: pseudonymise),
            listenParser: ListenBrainzParser(pseudonymVersion: pseudonyms.version, pseudonymise: pseudonymise),
            now: { time.now }, submit: { mailbox.push(.submission($0)) },
            metricsText: { MetricsText.render(metrics.readings()) })
        return try IntakeServer.start(settings, hooks)
    }
}
