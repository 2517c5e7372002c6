import Glibc
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Listens, answers plain requests of direct routes itself and has Hummingbird's handlers serve the others.
///
/// A connection is served by the event loop that accepted it, so that it never goes from one to another: each loop
/// listens on a socket of its own, and the kernel spreads connections over them.
struct HTTPListener: Service {
    /// Accepted by the kernel and not yet by us, per socket.
    private static let backlog: Int32 = 256
    /// One for two cores: loops do no more than read, write and encrypt.
    static let loopsMax = 8
    static let usualLoops = max(1, min(loopsMax, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) / 2))

    let address: (host: String, port: Int)
    /// Its TLS, if any, and the handlers of a fresh connection.
    let openConnection: @Sendable (any Channel) -> EventLoopFuture<Void>
    let connections: OpenConnections
    let loops: Int
    let onRunning: @Sendable (Int) -> Void
    let onRefused: @Sendable () -> Void
    /// Ends what would keep connections open for ever.
    let onShutdown: @Sendable () -> Void

    private static let anyPortAttempts = 8

    func run() async throws {
        let listening = try await listen()
        onRunning(listening.first?.localAddress?.port ?? address.port)
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                for channel in listening { _ = try? await channel.closeFuture.get() }
                await connections.allEnded()
            } onGracefulShutdown: {
                for channel in listening { channel.close(promise: nil) }
                onShutdown()
                connections.quiesce()
            }
        } onCancel: {
            for channel in listening { channel.close(promise: nil) }
            onShutdown()
            connections.breakOff()
        }
    }

    private func listen() async throws -> [any Channel] {
        let group = MultiThreadedEventLoopGroup.singleton
        let chosen = Array(group.makeIterator().prefix(max(1, loops)))
        guard let first = chosen.first, chosen.count > 1 else {
            return [
                try await bootstrap(group.next(), isShared: false).bind(host: address.host, port: address.port).get()
            ]
        }
        // Any port may be somebody's between the probe and those that share it; a named one is tried once.
        var attempts = address.port == 0 ? Self.anyPortAttempts : 1
        while true {
            attempts -= 1
            do { return try await share(chosen, first) } catch {
                guard attempts > 0 else { throw error }
            }
        }
    }

    private func share(_ chosen: [any EventLoop], _ first: any EventLoop) async throws -> [any Channel] {
        // Whoever shares a port does not notice others that do: first it must be free.
        let probe = try await bootstrap(first, isShared: false).bind(host: address.host, port: address.port).get()
        let port = probe.localAddress?.port ?? address.port
        try await probe.close()
        var listening: [any Channel] = []
        do {
            for loop in chosen {
                listening.append(try await bootstrap(loop, isShared: true).bind(host: address.host, port: port).get())
            }
        } catch {
            for channel in listening { try? await channel.close() }
            throw error
        }
        return listening
    }

    private func bootstrap(_ loop: any EventLoop, isShared: Bool) -> ServerBootstrap {
        let (connections, openConnection, onRefused) = (connections, openConnection, onRefused)
        return ServerBootstrap(group: loop)
            .serverChannelOption(ChannelOptions.backlog, value: Self.backlog)
            .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(
                ChannelOptions.socketOption(NIOBSDSocket.Option(rawValue: SO_REUSEPORT)), value: isShared ? 1 : 0
            )
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptBackoffHandler(shouldForwardIOErrorCaught: false))
                }
            }
            .childChannelOption(ChannelOptions.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                guard connections.add(channel) else {
                    onRefused()
                    return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                }
                return openConnection(channel)
            }
    }
}
