import Intake
import NIOCore
import NIOHTTP1

/// One connection: gathers a request, bounded in bytes and time, and writes its answer. The pipelining handler before
/// it hands over one request at a time.
final class IntakeConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        case receiving(HTTPRequestHead, ByteBuffer)
        /// The answer is known already; the rest of the body is read and thrown away.
        case discarding(HTTPRequestHead, IntakeResponse, bytes: Int)
        case answering
    }
    /// More than this is not even thrown away: the connection is closed.
    private static let discardedBytesMax = 64 << 20

    private let service: IntakeService
    private let isTCP: Bool
    private var state = State.idle
    private var context: ChannelHandlerContext?
    private var deadline: Scheduled<Void>?

    init(service: IntakeService, isTCP: Bool) {
        self.service = service
        self.isTCP = isTCP
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        guard service.register(self) else { return context.close(promise: nil) }
        setDeadline(service.configuration.idleMilliseconds)
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        self.context = nil
        service.unregister(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func close() { context?.close(promise: nil) }

    func closeIfIdle() {
        if case .idle = state { close() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), .idle): begin(head, context)
        case (.body(var part), .receiving(let head, var body)):
            state = .idle  // gives up its reference, so that appending does not copy
            guard body.readableBytes + part.readableBytes <= IntakeLimits.bodyBytesMax else {
                state = .discarding(head, Self.tooLarge, bytes: 0)
                return
            }
            body.writeBuffer(&part)
            state = .receiving(head, body)
        case (.body(let part), .discarding(let head, let response, let bytes)):
            guard bytes + part.readableBytes <= Self.discardedBytesMax else { return context.close(promise: nil) }
            state = .discarding(head, response, bytes: bytes + part.readableBytes)
        case (.end, .receiving(let head, let body)): answer(head, body)
        case (.end, .discarding(let head, let response, _)):
            state = .answering
            write(response, head)
        default: break  // parts of a request that was answered already
        }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        setDeadline(service.configuration.requestMilliseconds)
        if let refusal = refusal(of: head) {
            state = .discarding(head, refusal, bytes: 0)
            // A client that waits for leave to send never gets it, and would wait for nothing.
            if head.expectsContinue {
                state = .answering
                write(refusal, head, isClosing: true)
            }
            return
        }
        state = .receiving(head, context.channel.allocator.buffer(capacity: 0))
        if head.expectsContinue {
            let interim = HTTPResponseHead(version: head.version, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(interim)), promise: nil)
        }
    }

    private func refusal(of head: HTTPRequestHead) -> IntakeResponse? {
        if IntakeRequest.isFromWebPage(head.headers) {
            return .problem(403, "Forbidden", "web pages may not write into the agent (the request has an Origin)")
        }
        if isTCP, !IntakeRequest.namesLoopback(head.headers) {
            return .problem(403, "Forbidden", "the Host header must name loopback, such as localhost or 127.0.0.1")
        }
        let length = head.headers.first(name: "Content-Length").flatMap { Int($0) } ?? 0
        return length > IntakeLimits.bodyBytesMax ? Self.tooLarge : nil
    }

    private static let tooLarge = IntakeResponse.problem(
        413, "Content Too Large", "a body may have \(IntakeLimits.bodyBytesMax) bytes; send smaller batches")

    private func answer(_ head: HTTPRequestHead, _ body: ByteBuffer) {
        state = .answering
        deadline?.cancel()
        service.handle(IntakeRequest(head: head, body: body)) { [weak self] response in
            self?.write(response, head)
        }
    }

    private func write(_ response: IntakeResponse, _ head: HTTPRequestHead, isClosing: Bool = false) {
        guard let context else { return }
        let isLast = isClosing || !head.isKeepAlive || service.isStopping
        var headers = HTTPHeaders()
        headers.add(name: "Content-Type", value: response.contentType)
        headers.add(name: "Content-Length", value: "\(response.bytes?.count ?? response.body.utf8.count)")
        for header in response.headers { headers.add(name: header.name, value: header.value) }
        if isLast { headers.add(name: "Connection", value: "close") }
        let status = HTTPResponseStatus(statusCode: response.status)
        let answer = HTTPResponseHead(version: head.version, status: status, headers: headers)
        state = .idle
        setDeadline(service.configuration.idleMilliseconds)
        context.write(wrapOutboundOut(.head(answer)), promise: nil)
        if head.method != .HEAD {
            let allocator = context.channel.allocator
            let body = response.bytes.map { allocator.buffer(bytes: $0) } ?? allocator.buffer(string: response.body)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        if isLast {
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    private func setDeadline(_ milliseconds: Int64) {
        deadline?.cancel()
        guard let channel = context?.channel else { return }
        deadline = channel.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) { channel.close(promise: nil) }
    }
}

extension HTTPRequestHead {
    fileprivate var expectsContinue: Bool {
        headers.first(name: "Expect")?.lowercased() == "100-continue" && version == .http1_1
    }
}
