import NIOCore

/// A request that is being answered directly.
struct DirectTask: Sendable {
    let cancel: @Sendable () -> Void
}

/// Takes a request that it can answer without the usual machinery.
///
/// Called on the event loop; must not block. `done` is called once, on any thread, unless the task is cancelled.
/// - Returns: nil when the request takes the usual way.
typealias DirectRoute =
    @Sendable (_ request: PlainRequest, _ done: @escaping @Sendable (DirectAnswer) -> Void) -> DirectTask?

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
        /// What the paths of direct routes begin with.
        let prefix: StaticString
        let isTLS: Bool
        let date: HTTPDate
        /// Adds the usual handlers behind this one.
        let makeWay: @Sendable (any Channel) throws -> Void
    }

    /// Received while a request is answered; beyond it nothing is read until then.
    private static let waitingBytesMax = 64 * 1024

    private let parts: Parts
    private var context: ChannelHandlerContext?
    private var received: ByteBuffer?
    private var task: DirectTask?
    /// The connection is closed when the answer is written.
    private var isEnding = false
    private var isInputClosed = false
    private var holdsRead = false

    init(_ parts: Parts) { self.parts = parts }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if received == nil { received = bytes } else { received?.writeBuffer(&bytes) }
    }

    func channelReadComplete(context: ChannelHandlerContext) { takeNext(context) }

    func read(context: ChannelHandlerContext) {
        if task != nil, received?.readableBytes ?? 0 > Self.waitingBytesMax {
            holdsRead = true
        } else {
            context.read()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        task?.cancel()
        task = nil
        context.fireChannelInactive()
    }

    /// Such as bytes that are no TLS.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            isInputClosed = true
            if task == nil { context.close(promise: nil) }
        case is ChannelShouldQuiesceEvent:
            isEnding = true
            if task == nil { context.close(promise: nil) }
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    private func takeNext(_ context: ChannelHandlerContext) {
        guard task == nil, !isEnding, let bytes = received, bytes.readableBytes > 0 else { return }
        switch bytes.withUnsafeReadableBytes({ PlainRequest.recognise($0, prefix: parts.prefix) }) {
        case .incomplete: break
        case .other: makeWay(context)
        case .plain(let request, let count):
            let (loop, bound) = (context.eventLoop, NIOLoopBound(self, eventLoop: context.eventLoop))
            let begun = parts.route(request) { answer in loop.execute { bound.value.write(answer) } }
            guard let begun else { return makeWay(context) }
            task = begun
            isEnding = request.closes
            received?.moveReaderIndex(forwardBy: count)
            if received?.readableBytes == 0 { received = nil }
        }
    }

    private func makeWay(_ context: ChannelHandlerContext) {
        do { try parts.makeWay(context.channel) } catch { return context.close(promise: nil) }
        context.fireChannelActive()
        if let received { context.fireChannelRead(wrapInboundOut(received)) }
        received = nil
        context.fireChannelReadComplete()
        if isInputClosed { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
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
        guard !isEnding else {
            let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.whenComplete { _ in bound.value.context?.close(promise: nil) }
            return context.writeAndFlush(wrapOutboundOut(bytes), promise: written)
        }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        if holdsRead {
            holdsRead = false
            context.read()
        }
        takeNext(context)
    }
}

@available(*, unavailable)
extension DirectHandler: Sendable {}
