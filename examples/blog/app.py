"""The blog: routes, sessions, start-up. See README.md."""
import argparse
import functools
import hashlib
import hmac
import logging
import math
import os
import pathlib
import secrets
import time
import urllib.parse

import aiomysql
import jinja2
import markdown
from aiohttp import web

from orm import Comment, Post, User

HERE = pathlib.Path(__file__).parent
COOKIE = 'blog_session'
PAGE = 5
POOL = web.AppKey('pool', aiomysql.Pool)
PAGES = web.AppKey('pages', jinja2.Environment)
SECRET = web.AppKey('secret', bytes)
routes = web.RouteTableDef()
log = logging.getLogger('blog')


def hash_password(password, salt):
    return hashlib.pbkdf2_hmac('sha256', password.encode(), salt, 20_000)


def sign(secret, user, expires):
    text = f'{user.id}-{expires}'
    mac = hmac.new(secret, text.encode() + user.password, 'sha256').hexdigest()
    return f'{text}-{mac}'


async def user_of(request):
    """The user of a valid session cookie, or None."""
    parts = request.cookies.get(COOKIE, '').split('-')
    if len(parts) != 3 or not parts[0].isdigit() or not parts[1].isdigit() or int(parts[1]) < time.time():
        return None
    user = await User.get(request.app[POOL], int(parts[0]))
    if user and hmac.compare_digest(sign(request.app[SECRET], user, int(parts[1])), request.cookies[COOKIE]):
        return user
    return None


def page(request, name, **values):
    text = request.app[PAGES].get_template(name).render(user=request['user'], **values)
    return web.Response(text=text, content_type='text/html')


def needs_user(handler):
    @functools.wraps(handler)
    async def checked(request):
        if request['user'] is None:
            raise web.HTTPSeeOther('/login')
        return await handler(request)
    return checked


@web.middleware
async def sessions(request, handler):
    request['user'] = await user_of(request)
    start = time.perf_counter()
    try:
        response = await handler(request)
    except web.HTTPException as e:
        if e.status == 404 and not request.path.startswith('/api/'):
            response = page(request, 'error.html', text='There is no such page.')
            response.set_status(404)
            return response
        raise
    log.info('%s %s %s %.1f ms', request.method, request.path, response.status, (time.perf_counter() - start) * 1000)
    return response


async def form(request, *names):
    data = await request.post()
    values = [str(data.get(n, '')).strip() for n in names]
    if not all(values):
        raise web.HTTPBadRequest(text=f'needed: {", ".join(names)}')
    return values


async def find_post(request):
    post = await Post.get(request.app[POOL], int(request.match_info['id']))
    if post is None:
        raise web.HTTPNotFound
    return post


@routes.get('/')
async def index(request):
    pool = request.app[POOL]
    pages = max(1, math.ceil(await Post.count(pool) / PAGE))
    number = min(max(1, int(request.query.get('page', '1') or 1)), pages)
    posts = await Post.select(pool, order='id desc', limit=PAGE, offset=(number - 1) * PAGE)
    return page(request, 'index.html', posts=posts, number=number, pages=pages)


@routes.get(r'/post/{id:\d+}')
async def show(request):
    post = await find_post(request)
    comments = await Comment.select(request.app[POOL], 'post_id = %s', (post.id,))
    author = await User.get(request.app[POOL], post.user_id)
    return page(request, 'post.html', post=post, author=author, comments=comments, html=markdown.markdown(post.body))


@routes.post(r'/post/{id:\d+}/comment')
@needs_user
async def comment(request):
    post = await find_post(request)
    body, = await form(request, 'body')
    await Comment(post_id=post.id, user_id=request['user'].id, body=body).save(request.app[POOL])
    raise web.HTTPSeeOther(f'/post/{post.id}')


@routes.get('/write')
@needs_user
async def editor(request):
    return page(request, 'write.html')


@routes.post('/write')
@needs_user
async def write(request):
    title, body = await form(request, 'title', 'body')
    post = await Post(user_id=request['user'].id, title=title, body=body).save(request.app[POOL])
    raise web.HTTPSeeOther(f'/post/{post.id}')


@routes.get('/login')
@routes.get('/register')
async def entry(request):
    return page(request, 'login.html', action=request.path)


def signed_in(request, user):
    response = web.HTTPSeeOther('/')
    response.set_cookie(COOKIE, sign(request.app[SECRET], user, int(time.time()) + 86400), httponly=True, samesite='Lax')
    return response


@routes.post('/register')
async def register(request):
    name, password = await form(request, 'name', 'password')
    pool = request.app[POOL]
    if await User.select(pool, 'name = %s', (name,)):
        raise web.HTTPConflict(text='this name is taken')
    salt = secrets.token_bytes(16)
    first = await User.count(pool) == 0
    user = await User(name=name, salt=salt, password=hash_password(password, salt), admin=first).save(pool)
    raise signed_in(request, user)


@routes.post('/login')
async def login(request):
    name, password = await form(request, 'name', 'password')
    found = await User.select(request.app[POOL], 'name = %s', (name,))
    if not found or not hmac.compare_digest(found[0].password, hash_password(password, found[0].salt)):
        raise web.HTTPForbidden(text='wrong name or password')
    raise signed_in(request, found[0])


@routes.post('/logout')
async def logout(request):
    response = web.HTTPSeeOther('/')
    response.del_cookie(COOKIE)
    raise response


@routes.get('/api/posts')
async def api_posts(request):
    posts = await Post.select(request.app[POOL])
    return web.json_response({'posts': [p.as_dict() for p in posts]})


@routes.delete(r'/api/posts/{id:\d+}')
async def api_delete(request):
    user, post = request['user'], await find_post(request)
    if user is None or not (user.admin or user.id == post.user_id):
        return web.json_response({'error': 'not allowed'}, status=403)
    await post.delete(request.app[POOL])
    return web.json_response({'deleted': post.id})


async def database(app):
    url = urllib.parse.urlsplit(os.environ.get('BLOG_DB', 'mysql://root@127.0.0.1:3306/blog'))
    pool = await aiomysql.create_pool(
        host=url.hostname, port=url.port or 3306, user=url.username, password=urllib.parse.unquote(url.password or ''),
        db=url.path.lstrip('/'), charset='utf8mb4', autocommit=True, minsize=1, maxsize=10)
    async with pool.acquire() as connection, connection.cursor() as cursor:
        for statement in (HERE / 'schema.sql').read_text().split(';'):
            if statement.strip():
                await cursor.execute(statement)
    app[POOL] = pool
    yield
    pool.close()
    await pool.wait_closed()


def make_app():
    app = web.Application(middlewares=[sessions])
    app[PAGES] = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE / 'templates'), autoescape=True)
    app[SECRET] = os.environ.get('BLOG_SECRET', '').encode() or secrets.token_bytes(32)
    app.cleanup_ctx.append(database)
    app.add_routes(routes)
    return app


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--port', type=int, default=9000)
    logging.basicConfig(level=logging.INFO)
    web.run_app(make_app(), host='127.0.0.1', port=parser.parse_args().port, access_log=None)
