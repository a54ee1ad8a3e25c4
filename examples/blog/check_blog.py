"""check_blog.py PORT: a client that tries everything the blog does; exits with an AssertionError where it falls short."""
import asyncio
import sys

import aiohttp


async def main(base):
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(base, cookie_jar=jar) as me, aiohttp.ClientSession(base) as stranger:
        for _ in range(100):
            try:
                async with stranger.get('/') as r:
                    assert r.status == 200
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
        async with me.post('/register', data={'name': 'Zoë', 'password': 'secret'}) as r:
            assert r.status == 200 and 'Sign out Zoë' in await r.text()
        async with stranger.post('/register', data={'name': 'Zoë', 'password': 'x'}) as r:
            assert r.status == 409
        async with stranger.post('/login', data={'name': 'Zoë', 'password': 'wrong'}) as r:
            assert r.status == 403
        async with stranger.post('/write', data={'title': 'a', 'body': 'b'}) as r:
            assert r.url.path == '/login'
        async with me.post('/write', data={'title': '', 'body': 'b'}) as r:
            assert r.status == 400

        async def publish(i):
            async with me.post('/write', data={'title': f'Post {i} <b>', 'body': f'*number* {i}\n\n- 中文 🐍\n'}) as r:
                return r.url.path, await r.text()
        for path, text in await asyncio.gather(*(publish(i) for i in range(12))):
            assert '<em>number</em>' in text and '<li>中文 🐍</li>' in text and '&lt;b&gt;' in text
        async with me.post(path + '/comment', data={'body': '<script>alert(1)</script>'}) as r:
            assert '&lt;script&gt;' in await r.text()
        async with stranger.get('/?page=3') as r:
            text = await r.text()
            assert text.count('<h2>') == 2 and 'page 3 of 3' in text
        async with stranger.get('/api/posts') as r:
            posts = (await r.json())['posts']
            assert len(posts) == 12 and posts[0]['created_at'][:2] == '20'
        async with stranger.delete(f"/api/posts/{posts[0]['id']}") as r:
            assert r.status == 403
        async with me.delete(f"/api/posts/{posts[0]['id']}") as r:
            assert (await r.json()) == {'deleted': posts[0]['id']}
        async with stranger.get(f"/post/{posts[0]['id']}") as r:
            assert r.status == 404 and 'no such page' in await r.text()
        stranger.cookie_jar.update_cookies({'blog_session': '1-9999999999-forged'})
        async with stranger.get('/write') as r:
            assert r.url.path == '/login'
        async with me.post('/logout') as r:
            assert 'Sign in' in await r.text()

        async def read(_):
            async with stranger.get('/') as r:
                return r.status
        assert set(await asyncio.gather(*(read(i) for i in range(200)))) == {200}
    print('the blog works')


asyncio.run(main(f'http://127.0.0.1:{sys.argv[1]}'))
