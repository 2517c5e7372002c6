import NIOCore
import PlainHTTP

/// Answers plain requests as they come out of the socket; with the first other one it makes way for the usual handlers,
/// which get the connection's bytes from there on.
///
/// So a query over a fresh connection costs no task, no parser and no hop between threads but the two to the thread
/// that evaluates it and back. Requests of one connection are answered in order, one at a time.
final class DirectHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Parts: Sendable {
        let route: DirectRoute
        /// What requests of direct routes begin with.
        let prefixes: [StaticString]
        let isTLS: Bool
        let date: HTTPDate
        /// Adds the usual handlers behind this one.
        let makeWay: @Sendable (any Channel) throws -> Void
    }

    /// Received while a request is answered; beyond it nothing is read until then.
    private static let waitingBytesMax = 64 * 1024
    /// A request that has begun to come, and of which nothing more comes for so long, costs its connection.
    private static let pauseMax = TimeAmount.seconds(60)

    /// A request whose head has come.
    private struct Next {
        let request: PlainRequest
        let headBytes: Int
        let work: DirectWork
        var bytes: Int { headBytes + request.bodyBytes }
    }

    private let parts: Parts
    private var context: ChannelHandlerContext?
    private var received: ByteBuffer?
    private var next: Next?
    /// It is being found out whether the next request's body may come.
    private var isAsking = false
    private var task: DirectTask?
    /// The connection is closed when the answer is written.
    private var isEnding = false
    private var isInputClosed = false
    private var holdsRead = false
    private var pause: Scheduled<Void>?
    private var hasComeSince = false

    init(_ parts: Parts) { self.parts = parts }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        pause?.cancel()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        hasComeSince = true
        if received == nil { received = bytes } else { received?.writeBuffer(&bytes) }
    }

    func channelReadComplete(context: ChannelHandlerContext) { takeNext(context) }

    func read(context: ChannelHandlerContext) {
        if task != nil || isAsking, received?.readableBytes ?? 0 > Self.waitingBytesMax {
            holdsRead = true
        } else {
            context.read()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        task?.cancel()
        task = nil
        isAsking = false
        pause?.cancel()
        context.fireChannelInactive()
    }

    /// Such as bytes that are no TLS.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            isInputClosed = true
            if task == nil, !isAsking { context.close(promise: nil) }
        case is ChannelShouldQuiesceEvent:
            isEnding = true
            if task == nil { context.close(promise: nil) }
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    // MARK: Reading

    private func takeNext(_ context: ChannelHandlerContext) {
        guard task == nil, !isAsking, !isEnding, let count = received?.readableBytes, count > 0 else { return }
        if next == nil {
            let outcome = received?.withUnsafeReadableBytes { PlainRequest.recognise($0, prefixes: parts.prefixes) }
            switch outcome {
            case .incomplete: return wait(context)
            case .other, nil: return makeWay(context)
            case .plain(let request, let headBytes):
                guard let work = parts.route(request) else { return makeWay(context) }
                next = Next(request: request, headBytes: headBytes, work: work)
                if let admit = work.admit { return ask(admit, context) }
            }
        }
        guard let next else { return }
        guard count >= next.bytes else {
            received?.reserveCapacity(minimumWritableBytes: next.bytes - count)
            return wait(context)
        }
        begin(next, context)
    }

    private func begin(_ next: Next, _ context: ChannelHandlerContext) {
        self.next = nil
        let start = (received?.readerIndex ?? 0) + next.headBytes
        let body = received?.getSlice(at: start, length: next.request.bodyBytes) ?? ByteBuffer()
        let (loop, bound) = (context.eventLoop, NIOLoopBound(self, eventLoop: context.eventLoop))
        let begun = next.work.begin(body) { answer in loop.execute { bound.value.write(answer) } }
        guard let begun else { return makeWay(context) }
        task = begun
        isEnding = next.request.closes
        received?.moveReaderIndex(forwardBy: next.bytes)
        if received?.readableBytes == 0 {
            received = nil
        } else if received?.readerIndex ?? 0 > Self.waitingBytesMax {
            received?.discardReadBytes()
        }
    }

    private func ask(
        _ admit: @Sendable (@escaping @Sendable (Bool) -> Void) -> Bool, _ context: ChannelHandlerContext
    ) {
        let (loop, bound) = (context.eventLoop, NIOLoopBound(self, eventLoop: context.eventLoop))
        isAsking = admit { isAdmitted in loop.execute { bound.value.answered(isAdmitted) } }
        if !isAsking { makeWay(context) }
    }

    private func answered(_ isAdmitted: Bool) {
        guard isAsking, let context else { return }
        isAsking = false
        guard isAdmitted else { return makeWay(context) }
        resumeReading(context)
        takeNext(context)
    }

    /// More of a request has to come.
    private func wait(_ context: ChannelHandlerContext) {
        guard !isInputClosed else { return close(context, after: ByteBuffer()) }
        guard pause == nil else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        hasComeSince = false
        pause = context.eventLoop.scheduleTask(in: Self.pauseMax) { bound.value.paused() }
    }

    private func paused() {
        pause = nil
        guard let context, task == nil, !isAsking, received != nil else { return }
        if hasComeSince { wait(context) } else { context.close(promise: nil) }
    }

    private func resumeReading(_ context: ChannelHandlerContext) {
        guard holdsRead else { return }
        holdsRead = false
        context.read()
    }

    private func makeWay(_ context: ChannelHandlerContext) {
        do { try parts.makeWay(context.channel) } catch { return context.close(promise: nil) }
        context.fireChannelActive()
        if let received { context.fireChannelRead(wrapInboundOut(received)) }
        received = nil
        context.fireChannelReadComplete()
        if isInputClosed { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        resumeReading(context)
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    // MARK: Writing

    private func write(_ answer: DirectAnswer) {
        guard let context, task != nil else { return }
        let bytes = answer.begin(isTLS: parts.isTLS, date: parts.date.text, context.channel.allocator)
        guard let next = answer.next else { return writeLast(bytes, context) }
        write(chunk: bytes, before: next, context)
    }

    /// Writes, and asks for the next piece when the socket has taken this one.
    private func write(
        chunk: ByteBuffer, before next: @escaping @Sendable (@escaping @Sendable (DirectAnswer.Piece) -> Void) -> Void,
        _ context: ChannelHandlerContext
    ) {
        let (loop, bound) = (context.eventLoop, NIOLoopBound(self, eventLoop: context.eventLoop))
        let written = loop.makePromise(of: Void.self)
        written.futureResult.whenSuccess {
            next { piece in loop.execute { bound.value.take(piece, next) } }
        }
        context.writeAndFlush(wrapOutboundOut(chunk), promise: written)
    }

    private func take(
        _ piece: DirectAnswer.Piece,
        _ next: @escaping @Sendable (@escaping @Sendable (DirectAnswer.Piece) -> Void) -> Void
    ) {
        guard let context, task != nil else { return }
        switch piece {
        case .more(let bytes):
            var buffer = context.channel.allocator.buffer(capacity: bytes.count + 32)
            DirectAnswer.write(chunk: bytes, to: &buffer)
            write(chunk: buffer, before: next, context)
        case .end:
            var buffer = context.channel.allocator.buffer(capacity: 8)
            buffer.writeStaticString(DirectAnswer.lastChunk)
            writeLast(buffer, context)
        case .failed: context.close(promise: nil)
        }
    }

    private func writeLast(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        task = nil
        isEnding = isEnding || isInputClosed && received == nil
        guard !isEnding else { return close(context, after: bytes) }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        resumeReading(context)
        takeNext(context)
    }

    private func close(_ context: ChannelHandlerContext, after bytes: ByteBuffer) {
        isEnding = true
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { _ in bound.value.context?.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: written)
    }
}

@available(*, unavailable)
extension DirectHandler: Sendable {}
