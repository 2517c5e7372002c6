import Actions
import AgentCore
import Glibc
import RuntimeSupport
import Sources
import Telemetry
import TestSupport
import Testing

/// Real scripts and a real socket.
@Suite("Actions that run", .serialized) struct ActionRunnerTests {
    private let directory: TemporaryDirectory
    private let outcomes = BoundedQueue<ActionOutcome>(itemsMax: 8)

    init() throws { directory = try TemporaryDirectory("actions") }

    private func runner() -> ActionRunner {
        ActionRunner(time: SystemTimeSource(), agent: AgentID(unchecked: "edge-1"), retryWaits: [1, 1]) { [outcomes] in
            _ = outcomes.push($0)
        }
    }

    private func job(_ kind: LocalAction.Kind, timeout: Int64 = 10_000) -> ActionJob {
        var action = LocalAction(name: "test", kind: kind)
        action.timeoutMilliseconds = timeout
        let finding = Finding(
            id: ID128(high: 0, low: 5), group: "disk", since: Timestamp(seconds: 1_790_000_000), score: 1,
            peakAt: Timestamp(seconds: 1_790_000_000), anomalousCount: 1,
            rule: Finding.Rule(name: "disk-full", severity: .critical, value: 0.05, threshold: 0.1))
        return ActionJob(number: 1, action: action, finding: finding)
    }

    private func script(_ body: String, mode: mode_t = 0o755) throws -> String {
        let path = directory.file("script")
        try Files.write(Array("#!/bin/sh\n\(body)\n".utf8), to: path)
        chmod(path, mode)
        return path
    }

    private func outcome(_ kind: LocalAction.Kind, timeout: Int64 = 10_000) throws -> ActionOutcome {
        let runner = runner()
        runner.start(job(kind, timeout: timeout))
        let found = try #require(outcomes.pop(max: 1, waitMilliseconds: 60_000).first)
        runner.stop()
        return found
    }

    @Test("a script gets the finding as variables and on its input, words as they are, and nothing else of the agent")
    func script() throws {
        setenv("STAGEBOX_SECRET_OF_THE_AGENT", "x", 1)
        defer { unsetenv("STAGEBOX_SECRET_OF_THE_AGENT") }
        let seen = directory.file("seen")
        let path = try script("{ env; echo \"words: $1|$2\"; pwd; ls /proc/self/fd; cat; } > \(seen); echo well")
        let found = try outcome(.exec(path: path, arguments: ["$HOME", "a;b"]))
        #expect(found.result == .done && found.detail == "exit status 0: well")
        let text = try Files.text(seen)
        #expect(text.contains("STAGEBOX_RULE=disk-full\n") && text.contains("STAGEBOX_VALUE=0.05\n"))
        #expect(text.contains("words: $HOME|a;b\n/\n") && text.contains("\"rule\":{\"name\":\"disk-full\""))
        #expect(!text.contains("SECRET"))
        // Input, both outputs, and what the shell and ls open themselves.
        let descriptors = text.split(separator: "\n").compactMap { Int($0) }
        #expect(descriptors.filter { $0 > 10 }.isEmpty && descriptors.count <= 5, "\(descriptors)")
    }

    @Test("a script that fails says how, in one bounded line")
    func failing() throws {
        let path = try script("i=0; while [ $i -lt 2000 ]; do echo 'no space'; i=$((i+1)); done; exit 3")
        let found = try outcome(.exec(path: path, arguments: []))
        #expect(found.result == .failed && found.detail.hasPrefix("exit status 3: no space no space"))
        #expect(found.detail.utf8.count <= ActionOutcome.detailBytesMax)
        let killed = try outcome(.exec(path: try script("kill -TERM $$"), arguments: []))
        #expect(killed.result == .failed && killed.detail.hasPrefix("ended by signal 15"))
        let missing = try outcome(.exec(path: directory.file("nothing"), arguments: []))
        #expect(missing.result == .refused)
    }

    @Test("at the timeout a script goes with all its children, even one that never stops writing")
    func timeout() throws {
        let pids = directory.file("pids")
        let path = try script("trap '' TERM; sleep 300 & echo $! > \(pids); yes")
        let found = try outcome(.exec(path: path, arguments: []), timeout: 1500)
        #expect(found.result == .timeout)
        #expect(try isGone(pids))
    }

    /// Whether the process that a file names ends within seconds; SIGKILL works as soon as it is scheduled.
    private func isGone(_ pids: String) throws -> Bool {
        let child = try #require(try Files.text(pids).split(separator: "\n").first.map(String.init))
        for _ in 0..<1000 {
            let state = (try? Files.text("/proc/\(child)/stat"))?.split(separator: " ").dropFirst(2).first
            if state == nil || state == "Z" { return true }
            poll(nil, 0, 10)
        }
        return false
    }

    @Test("what outlives the script in its group is killed, too")
    func leftovers() throws {
        let pids = directory.file("pids")
        let path = try script("sleep 300 > /dev/null 2>&1 & echo $! > \(pids)")
        #expect(try outcome(.exec(path: path, arguments: [])).result == .done)
        #expect(try isGone(pids))
    }

    @Test("an agent that stops kills what runs")
    func cancelled() throws {
        let runner = runner()
        runner.start(job(.exec(path: try script("sleep 300"), arguments: []), timeout: 300_000))
        runner.stop()
        #expect(outcomes.pop(max: 1, waitMilliseconds: 60_000).first?.result == .interrupted)
    }

    @Test("a script that others can write, or put another in the place of, is refused, and so is a link")
    func trust() throws {
        for mode in [0o775, 0o757, 0o644] as [mode_t] {
            let path = try script("true", mode: mode)
            #expect(try outcome(.exec(path: path, arguments: [])).result == .refused)
        }
        let path = try script("true")
        let link = directory.file("link")
        symlink(path, link)
        let linked = try outcome(.exec(path: link, arguments: []))
        #expect(linked.result == .refused && linked.detail.contains("no regular file"))
        let folder = directory.file("open")
        mkdir(folder, 0o755)
        chmod(folder, 0o777)
        let inside = folder + "/script"
        try Files.write(Array("#!/bin/sh\n".utf8), to: inside)
        chmod(inside, 0o755)
        let replaceable = try outcome(.exec(path: inside, arguments: []))
        #expect(replaceable.result == .refused && replaceable.detail.contains("can be written by others"))
        chmod(folder, 0o755)
        #expect(try outcome(.exec(path: inside, arguments: [])).result == .done)
    }

    @Test("a webhook gets the finding as JSON; what asks for it is tried again, what does not is not")
    func webhook() throws {
        let server = try OneShotServer(answers: ["503 Busy", "200 OK"])
        let target = try #require(HTTPTarget("http://127.0.0.1:\(server.port)/hook?a=b"))
        let found = try outcome(.webhook(target))
        #expect(found.result == .done && found.detail == "status 200")
        let requests = server.requests()
        #expect(requests.count == 2 && requests[0] == requests[1])
        #expect(requests[0].hasPrefix("POST /hook?a=b HTTP/1.1\r\n") && requests[0].contains("\"rule\":{"))
        let refusing = try OneShotServer(answers: ["400 Bad"])
        let other = try #require(HTTPTarget("http://127.0.0.1:\(refusing.port)/"))
        let refused = try outcome(.webhook(other))
        #expect(refused.result == .failed && refused.detail == "status 400")
        #expect(refusing.requests().count == 1)
    }

    @Test("a webhook that never answers, or is not there, ends")
    func silent() throws {
        let server = try OneShotServer(answers: [])
        let target = try #require(HTTPTarget("http://127.0.0.1:\(server.port)/"))
        #expect(try outcome(.webhook(target), timeout: 100).result == .timeout)
        server.close()
        // A port that nobody is given by chance: while other tests run, the server's may be another's by now.
        let nobody = try #require(HTTPTarget("http://127.0.0.1:1/"))
        let found = try outcome(.webhook(nobody), timeout: 20_000)
        #expect(found.result == .failed && found.detail.contains("refused"), "\(found.detail)")
    }
}

/// Answers one connection after the other on a thread of its own.
///
/// `@unchecked Sendable`: the thread fills what is read after it has ended.
private final class OneShotServer: @unchecked Sendable {
    let port: UInt16
    private let listener: Int32
    private let received = BoundedQueue<String>(itemsMax: 16)

    init(answers: [String]) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 8) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else { throw SystemError("bind") }
        port = UInt16(bigEndian: address.sin_port)
        let received = received
        guard !answers.isEmpty else { return }
        let thread = ThreadBody {
            for answer in answers {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                var text = ""
                var chunk = [UInt8](repeating: 0, count: 65_536)
                while !(text.contains("\r\n\r\n") && text.hasSuffix("}")) {
                    let count = read(connection, &chunk, chunk.count)
                    guard count > 0 else { break }
                    text += String(decoding: chunk[..<count], as: UTF8.self)
                }
                _ = received.push(text)
                let reply = Array("HTTP/1.1 \(answer)\r\nContent-Length: 0\r\n\r\n".utf8)
                _ = send(connection, reply, reply.count, Int32(MSG_NOSIGNAL))
                Glibc.close(connection)
            }
        }
        thread.start()
    }

    func requests() -> [String] { received.pop(max: 16, waitMilliseconds: 0) }
    func close() { Glibc.close(listener) }
}

private final class ThreadBody: @unchecked Sendable {
    private let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
    func start() {
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_detach(thread)
    }
}
