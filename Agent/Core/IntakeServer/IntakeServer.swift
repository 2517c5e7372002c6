import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import RuntimeSupport

/// Why the intake cannot listen.
package struct IntakeServerError: Error, CustomStringConvertible {
    package let description: String
}

/// The agent's local HTTP server: loopback TCP and a Unix socket on one thread of its own.
///
/// ``start(_:_:)`` and ``stop(graceMilliseconds:)`` block and must not be called on that thread.
package final class IntakeServer: Sendable {
    /// Where it listens; 0 without TCP. The kernel's choice, if 0 was asked for.
    package let port: Int
    private let group: MultiThreadedEventLoopGroup
    private let service: IntakeService
    private let listeners: [any Channel]
    private let socketPath: String?

    private init(
        port: Int, group: MultiThreadedEventLoopGroup, service: IntakeService, listeners: [any Channel],
        socketPath: String?
    ) {
        self.port = port
        self.group = group
        self.service = service
        self.listeners = listeners
        self.socketPath = socketPath
    }

    /// - Throws: ``IntakeServerError`` naming the address and what to do.
    package static func start(
        _ configuration: IntakeServerConfiguration, _ hooks: IntakeServerHooks
    ) throws -> IntakeServer {
        if let host = configuration.host, !LoopbackHost.isLoopback(host) {
            throw IntakeServerError(
                description: "intake: refusing to listen on \(host): the intake takes events without authentication, "
                    + "so only loopback (127.0.0.1, ::1, localhost) or a Unix socket will do")
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let service = IntakeService(configuration: configuration, hooks: hooks, loop: group.next())
        var listeners: [any Channel] = []
        do {
            if let host = configuration.host {
                listeners.append(try listen(host, configuration.port, group, service))
            }
            let port = listeners.first?.localAddress?.port ?? 0
            if let path = configuration.socketPath { listeners.append(try listen(path, group, service)) }
            return IntakeServer(
                port: port, group: group, service: service, listeners: listeners,
                socketPath: configuration.socketPath)
        } catch {
            for listener in listeners { try? listener.close().wait() }  // the first error is the one to tell
            try? group.syncShutdownGracefully()
            throw error
        }
    }

    /// Takes no further requests, waits for the answers to those taken, closes.
    package func stop(graceMilliseconds: Int64 = 2000) {
        for listener in listeners { try? listener.close().wait() }  // closed is closed
        let drained = service.loop.makePromise(of: Void.self)
        let deadline = NIODeadline.now() + .milliseconds(graceMilliseconds)
        service.loop.execute { self.service.drain(deadline: deadline) { drained.succeed() } }
        try? drained.futureResult.wait()  // never fails
        try? group.syncShutdownGracefully()  // a second stop finds it shut already
        if let socketPath { unlink(socketPath) }
    }

    private static func listen(
        _ host: String, _ port: Int, _ group: MultiThreadedEventLoopGroup, _ service: IntakeService
    ) throws -> any Channel {
        do {
            return try bootstrap(group, service, isTCP: true).bind(host: host, port: port).wait()
        } catch {
            throw IntakeServerError(
                description: "intake: cannot listen on \(host):\(port): \(error); is another agent running?")
        }
    }

    /// A stale socket file of a killed agent is replaced; one that answers is not.
    private static func listen(
        _ path: String, _ group: MultiThreadedEventLoopGroup, _ service: IntakeService
    ) throws -> any Channel {
        if let other = try? ClientBootstrap(group: group).connect(unixDomainSocketPath: path).wait() {  // none: good
            try? other.close().wait()
            throw IntakeServerError(description: "intake: \(path) is in use: another agent answers there")
        }
        do {
            let channel = try bootstrap(group, service, isTCP: false)
                .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).wait()
            guard chmod(path, 0o660) == 0 else {
                let code = errno
                try? channel.close().wait()  // the error to tell is chmod's
                throw IntakeServerError(
                    description: "intake: cannot set the mode of \(path): \(String(cString: strerror(code)))")
            }
            return channel
        } catch let error as IntakeServerError {
            throw error
        } catch {
            throw IntakeServerError(description: "intake: cannot listen on \(path): \(error); does its folder exist?")
        }
    }

    private static func bootstrap(
        _ group: MultiThreadedEventLoopGroup, _ service: IntakeService, isTCP: Bool
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                        withPipeliningAssistance: true, withErrorHandling: true)
                    try channel.pipeline.syncOperations.addHandler(IntakeConnection(service: service, isTCP: isTCP))
                }
            }
            // A little read at a time: what waits stays in the kernel.
            .childChannelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 4096, maximum: 65_536)
            )
            .childChannelOption(.maxMessagesPerRead, value: 4)
    }
}
