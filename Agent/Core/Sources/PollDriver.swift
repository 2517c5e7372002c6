import Glibc
import RuntimeSupport
import Sources
import Telemetry

/// Fetches documents of one kind once per report, around a ``PolledDocument`` each.
final class PollDriver<Document: PolledDocument>: SourceDriver {
    /// For all fetches of one document; never longer than the interval.
    private static var timeoutMilliseconds: Int64 { 5000 }

    private final class Job {
        let address: HTTPTarget
        let unit: String
        var document: Document
        var fetch: (request: HTTPFetch, address: HTTPTarget)?
        var hops = 0
        var instant = Timestamp(milliseconds: 0)
        init(_ address: HTTPTarget, _ unit: String, _ document: Document) {
            self.address = address
            self.unit = unit
            self.document = document
        }
    }

    private let context: SourceContext
    private var cadence: Cadence
    private var jobs: [Job]

    /// - Parameter documents: by their names in the settings.
    init(
        _ documents: [(name: String, address: HTTPTarget, document: Document)], intervalMilliseconds: Int64,
        _ context: SourceContext
    ) {
        self.context = context
        jobs = documents.map { Job($0.address, "\(Document.source) \($0.name)", $0.document) }
        cadence = Cadence(
            intervalMilliseconds: intervalMilliseconds, now: context.time.now,
            monotonicMilliseconds: context.monotonicMilliseconds)
    }

    var interests: [pollfd] { jobs.compactMap { $0.fetch?.request.interest } }

    var nextDeadlineMilliseconds: Int64 {
        jobs.compactMap { job in
            job.fetch.map { $0.request.outcome == nil ? $0.request.deadlineMilliseconds : 0 }
        }.reduce(cadence.dueMilliseconds, min)
    }

    func ready(_ descriptor: Int32) {
        for job in jobs where job.fetch?.request.interest?.fd == descriptor {
            job.fetch?.request.ready()
            proceed(job)
            return
        }
    }

    func advance() {
        let now = context.monotonicMilliseconds
        for job in jobs {
            job.fetch?.request.expire(now: now)
            proceed(job)
        }
        guard let instant = cadence.take(now: context.time.now, monotonicMilliseconds: now) else { return }
        for job in jobs where job.fetch == nil {
            job.instant = instant
            job.hops = 0
            job.document.begin()
            begin(
                job, job.address, deadline: now + min(Self.timeoutMilliseconds, cadence.intervalMilliseconds))
        }
    }

    /// What is under way is given up.
    func finish() { jobs = [] }

    private func begin(_ job: Job, _ address: HTTPTarget, deadline: Int64) {
        job.hops += 1
        let request = HTTPFetch(
            address, accept: job.document.accept, bodyBytesMax: PolledLimits.bodyBytesMax,
            deadlineMilliseconds: deadline)
        job.fetch = (request, address)
        proceed(job)
    }

    private func proceed(_ job: Job) {
        guard let (request, address) = job.fetch, let outcome = request.outcome else { return }
        job.fetch = nil
        var problem: String?
        switch outcome {
        case .failed(let reason): problem = reason
        case .answer(let answer) where answer.status != 200: problem = "it answers with status \(answer.status)"
        case .answer(let answer):
            do throws(PolledFault) {
                if let next = try job.document.take(answer, from: address) {
                    if job.hops < PolledLimits.hopsMax {
                        return begin(job, next, deadline: request.deadlineMilliseconds)
                    }
                    problem = "it leads through more than \(PolledLimits.hopsMax) documents"
                }
            } catch {
                problem = error.description
            }
        }
        if let problem { context.report(.source(Document.source, "\(address): \(problem)")) }
        let readings = job.document.readings(
            isUp: problem == nil, now: context.time.now, monotonicMilliseconds: context.monotonicMilliseconds)
        context.hand(Document.source, unit: job.unit, readings, at: job.instant)
        context.count(Document.source, job.document.takeDrops())
    }
}
