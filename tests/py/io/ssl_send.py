# send() of a TLS socket takes all of its data or none: no part of it is written and counted
import socket
import ssl
import threading

server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.maximum_version = ssl.TLSVersion.TLSv1_2
server.set_ciphers('PSK')
server.set_psk_server_callback(lambda identity: b'key')
client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
client.check_hostname = False
client.verify_mode = ssl.CERT_NONE
client.maximum_version = ssl.TLSVersion.TLSv1_2
client.set_ciphers('PSK')
client.set_psk_client_callback(lambda hint: ('me', b'key'))

a, b = socket.socketpair()
go = threading.Event()
total = []


def serve():
    with server.wrap_socket(b, server_side=True) as s:
        go.wait(30)
        n = 0
        while n < 9 << 20:
            n += len(s.recv(65536))
        total.append(n)


thread = threading.Thread(target=serve)
thread.start()
s = client.wrap_socket(a)
print(s.version())
data = bytes(4 << 20)
s.setblocking(False)
for _ in range(3):
    try:
        print(s.send(data))
    except ssl.SSLWantWriteError as e:
        print(type(e).__name__)
# the data of a write that is under way cannot be taken back
s.settimeout(30)
go.set()
print(s.send(data))
print(s.send(memoryview(data)[:1 << 20]))
s.setblocking(True)
print(s.send(data))
s.close()
thread.join()
print(total)

# -> TLSv1.2
# -> SSLWantWriteError
# -> SSLWantWriteError
# -> SSLWantWriteError
# -> 4194304
# -> 1048576
# -> 4194304
# -> [9437184]
